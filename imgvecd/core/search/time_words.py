"""Words that tell times, in six languages, and patterns made of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# As in Unicode's CLDR, beside what is usual; a name in several languages means the same month.
_MONTHS = (
    "january jan januar jänner janvier enero ene 一月",
    "february feb februar février févr febrero 二月",
    "march märz maerz mars marzo 三月",
    "april apr avril avr abril abr 四月",
    "may mai mayo 五月",
    "june jun juni juin junio 六月",
    "july jul juli juillet juil julio 七月",
    "august aug août agosto 八月",
    "september sep sept septembre septiembre setiembre 九月",
    "october oct okt oktober octobre octubre 十月",
    "november nov novembre noviembre 十一月",
    "december dec dez dezember décembre diciembre dic 十二月",
)
_VIETNAMESE = "một hai ba tư năm sáu bảy tám chín mười mười_một mười_hai".split()  # noqa: SIM905
_SEASONS = {
    "spring": "spring frühling fruehling frühjahr printemps primavera mùa_xuân 春天 春季",
    "summer": "summer sommer été verano mùa_hè mùa_hạ 夏天 夏季",
    "autumn": "autumn fall herbst automne otoño mùa_thu 秋天 秋季",
    "winter": "winter hiver invierno mùa_đông 冬天 冬季",
}
_UNITS = {
    "year": "year jahr année an año 年",
    "month": "month monat mois mes",
    "week": "week woche semaine semana",
}
_COUNTED = {
    "year": "year years jahr jahre jahren an ans année années año años năm 年",
    "month": "month months monat monate monaten mois mes meses tháng 个月",
    "week": "week weeks woche wochen semaine semaines semana semanas tuần 周 个星期",
    "day": "day days tag tage tagen jour jours día días ngày 天",
}
_COUNTS = {
    "1": "one a an ein eine einem einer eins un une uno una một 一",
    "2": "two a_couple_of zwei deux dos hai 二 两",
    "3": "three drei trois tres ba 三",
    "4": "four vier quatre cuatro bốn 四",
    "5": "five fünf cinq cinco năm 五",
    "6": "six sechs seis sáu 六",
    "7": "seven sieben sept siete bảy 七",
    "8": "eight acht huit ocho tám 八",
    "9": "nine neun neuf nueve chín 九",
    "10": "ten zehn dix diez mười 十",
}
_WHOLE = {
    "last year": "năm_ngoái năm_trước 去年",
    "this year": "năm_nay 今年",
    "last month": "tháng_trước 上个月 上月",
    "this month": "tháng_này 这个月 本月",
    "last week": "tuần_trước 上周 上个星期",
    "this week": "tuần_này 这周 这个星期",
    "yesterday": "yesterday gestern ayer hôm_qua 昨天",
    "today": "today heute aujourd'hui hoy hôm_nay 今天",
    "last weekend": "last_weekend letztes_wochenende letzten_wochenende vergangenes_wochenende"
    " week-end_dernier weekend_dernier fin_de_semana_pasado cuối_tuần_trước 上周末",
    "day before yesterday": "the_day_before_yesterday day_before_yesterday vorgestern avant-hier"
    " anteayer antes_de_ayer hôm_kia 前天",
}
_RELATIVE_YEARS = {
    "last": "last_year letztes_jahr letzten_jahres vergangenes_jahr l'année_dernière"
    " année_dernière el_año_pasado año_pasado năm_ngoái năm_trước 去年",
    "this": "this_year dieses_jahr diesen_jahres cette_année este_año năm_nay 今年",
}
_DECADES = {
    "5": "fifties fünfziger cincuenta cinquante",
    "6": "sixties sechziger sesenta soixante",
    "7": "seventies siebziger setenta soixante-dix",
    "8": "eighties achtziger ochenta quatre-vingt",
    "9": "nineties neunziger noventa quatre-vingt-dix",
}


def key(words: str) -> str:
    """Return words as the tables have them."""
    return " ".join(words.casefold().split())


def _plain(word: str) -> str:
    """Return a word without accents, as many type it."""
    bare = unicodedata.normalize("NFD", word.replace("đ", "d"))
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


def _table(listed: dict[str, str]) -> dict[str, str]:
    """Return meanings by word, with and without accents."""
    named = {
        word.replace("_", " "): meaning
        for meaning, words in listed.items()
        for word in words.split()
    }
    return {_plain(word): meaning for word, meaning in named.items()} | named


def any_of(words: Iterable[str]) -> str:
    """Return the pattern of any of the words."""
    longest_first = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first) + ")"


def listed(words: str) -> str:
    """Return the pattern of any of the words in a text, of which `_` joins some."""
    return any_of(_table({"": words}))


MONTH_NAMES = _table(
    {
        str(number): f"{names} tháng_{number} tháng_{_VIETNAMESE[number - 1]}"
        for number, names in enumerate(_MONTHS, 1)
    }
)
"""Numbers of months, as text, by their names."""

SEASONS, UNITS, COUNTED, COUNTS, WHOLE, RELATIVE_YEARS, DECADES = map(
    _table, (_SEASONS, _UNITS, _COUNTED, _COUNTS, _WHOLE, _RELATIVE_YEARS, _DECADES)
)
MONTHS = tuple(names.split()[0] for names in _MONTHS)
"""English names."""
