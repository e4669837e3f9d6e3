"""Starting, supervising and stopping the processes of the product."""
