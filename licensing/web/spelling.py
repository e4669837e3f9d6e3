"""Spelling symbols on the telephone, in Polish and English."""

from dataclasses import dataclass

POLISH = {
    "A": "Adam", "B": "Barbara", "C": "Celina", "D": "Dorota", "E": "Ewa", "F": "Franciszek", "G": "Grażyna",
    "H": "Henryk", "J": "Jadwiga", "K": "Karol", "M": "Maria", "N": "Natalia", "P": "Paweł", "Q": "Quebec",
    "R": "Roman", "S": "Stanisław", "T": "Tadeusz", "V": "Violetta", "W": "Wanda", "X": "Xawery",
    "Y": "Ypsilon", "Z": "Zenon", "0": "zero", "1": "jeden", "2": "dwa", "3": "trzy", "4": "cztery",
    "5": "pięć", "6": "sześć", "7": "siedem", "8": "osiem", "9": "dziewięć",
}  # fmt: skip
ENGLISH = {
    "A": "Alfa", "B": "Bravo", "C": "Charlie", "D": "Delta", "E": "Echo", "F": "Foxtrot", "G": "Golf",
    "H": "Hotel", "J": "Juliett", "K": "Kilo", "M": "Mike", "N": "November", "P": "Papa", "Q": "Quebec",
    "R": "Romeo", "S": "Sierra", "T": "Tango", "V": "Victor", "W": "Whiskey", "X": "X-ray", "Y": "Yankee",
    "Z": "Zulu", "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
    "7": "seven", "8": "eight", "9": "nine",
}  # fmt: skip


@dataclass(frozen=True)
class SpelledGroup:
    """Four symbols, and the words for them."""

    symbols: str
    words: str


def spelled(challenge: str, language: str) -> list[SpelledGroup]:
    """A challenge in groups of four with the words to say for each symbol."""
    words = POLISH if language == "pl" else ENGLISH
    symbols = challenge.replace("-", "")
    groups = [symbols[start : start + 4] for start in range(0, len(symbols), 4)]
    return [SpelledGroup(group, ", ".join(words[symbol] for symbol in group)) for group in groups]
