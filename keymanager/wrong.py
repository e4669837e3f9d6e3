"""What is wrong with a setting of a deployment."""


class WrongSetting(Exception):
    """A deployment setting that cannot be used."""

    def __init__(self, name: str, found: object, expected: str) -> None:
        super().__init__(f"{name}: found {str(found)!r}, expected {expected}")
        self.name = name
