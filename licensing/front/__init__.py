"""The one way in: lease calls go to the engine in this process, everything else to the pages' process."""
