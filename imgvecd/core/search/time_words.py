"""Words that tell times, in six languages, and patterns made of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from imgvecd.core.search.words import UNSPACED
from imgvecd.spelling import normalized

# As in Unicode's CLDR, beside what is usual; a name in several languages means the same month.
_MONTHS = (
    "january jan januar jänner janvier janv enero ene tháng_giêng 一月",
    "february feb februar feber février févr febrero 二月",
    "march mar märz maerz mrz mars marzo 三月",
    "april apr avril avr abril abr tháng_bốn 四月",
    "may mai mayo 五月",
    "june jun juni juin junio 六月",
    "july jul juli juillet juil julio 七月",
    "august aug août agosto ago 八月",
    "september sep sept septembre septiembre setiembre 九月",
    "october oct okt oktober octobre octubre 十月",
    "november nov novembre noviembre 十一月",
    "december dec dez dezember décembre déc diciembre dic tháng_chạp 十二月",
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
_WEEKDAYS = (
    "monday montag lundi lunes thứ_hai 周一 星期一 礼拜一 週一",
    "tuesday dienstag mardi martes thứ_ba 周二 星期二 礼拜二 週二",
    "wednesday mittwoch mercredi miércoles thứ_tư 周三 星期三 礼拜三 週三",
    "thursday donnerstag jeudi jueves thứ_năm 周四 星期四 礼拜四 週四",
    "friday freitag vendredi viernes thứ_sáu 周五 星期五 礼拜五 週五",
    "saturday samstag sonnabend samedi sábado thứ_bảy 周六 星期六 礼拜六 週六",
    "sunday sonntag dimanche domingo chủ_nhật 周日 周天 星期日 星期天 礼拜天 週日",
)
_FEASTS = {
    "christmas": "christmas xmas x-mas weihnachten weihnacht noël navidad giáng_sinh"
    " 圣诞 圣诞节 聖誕 聖誕節",
    "boxing day": "boxing_day",
    "christmas eve": "christmas_eve heiligabend heilig_abend réveillon_de_noël veille_de_noël"
    " nochebuena đêm_giáng_sinh 平安夜",
    "new year": "new_year new_year's new_years new_year's_day new_years_day neujahr nouvel_an"
    " jour_de_l'an año_nuevo tết_dương_lịch 元旦",
    "new year's eve": "new_year's_eve new_years_eve nye silvester sylvester saint-sylvestre"
    " réveillon réveillon_du_nouvel_an nochevieja 跨年",
    "easter": "easter ostern pâques semana_santa pascua phục_sinh lễ_phục_sinh 复活节 復活節",
    "good friday": "good_friday karfreitag vendredi_saint viernes_santo"
    " thứ_sáu_tuần_thánh 耶稣受难日",
    "easter sunday": "easter_sunday easter_day ostersonntag dimanche_de_pâques"
    " domingo_de_resurrección domingo_de_pascua",
    "easter monday": "easter_monday ostermontag lundi_de_pâques lunes_de_pascua",
    "rose monday": "rosenmontag",
    "mardi gras": "mardi_gras shrove_tuesday faschingsdienstag martes_de_carnaval",
    "ascension": "ascension_day christi_himmelfahrt himmelfahrt vatertag",
    "saint nicholas": "nikolaus nikolaustag saint-nicolas",
    "epiphany": "epiphany épiphanie dreikönigstag heilige_drei_könige día_de_reyes reyes_magos",
    "may day": "may_day tag_der_arbeit maifeiertag fête_du_travail día_del_trabajo"
    " quốc_tế_lao_động",
    "mother's day": "mother's_day mothers_day muttertag",
    "french mother's day": "fête_des_mères",
    "father's day": "father's_day fathers_day fête_des_pères",
    "memorial day": "memorial_day",
    "labor day": "labor_day",
    "fourth of july": "fourth_of_july independence_day",
    "german unity": "tag_der_deutschen_einheit",
    "all saints": "all_saints_day all_saints'_day allerheiligen toussaint la_toussaint"
    " todos_los_santos día_de_todos_los_santos",
    "day of the dead": "day_of_the_dead día_de_muertos día_de_los_muertos",
    "saint patrick": "st_patrick's_day st._patrick's_day st_patricks_day saint_patrick's_day",
    "bonfire night": "bonfire_night guy_fawkes_night",
    "mid-autumn": "mid-autumn_festival mid_autumn_festival moon_festival tết_trung_thu trung_thu"
    " 中秋 中秋节 中秋節",
    "lantern festival": "元宵 元宵节 元宵節",
    "tomb sweeping": "清明 清明节 清明節",
    "labour day of china": "五一 五一节 五一劳动节 劳动节 勞動節",
    "dragon boat": "dragon_boat_festival tết_đoan_ngọ 端午 端午节 端午節",
    "national day of vietnam": "quốc_khánh",
    "national day of china": "国庆 国庆节 國慶 國慶節",
    "pentecost": "pentecost whitsun pfingsten pentecôte pentecostés",
    "halloween": "halloween 万圣节 萬聖節",
    "valentine": "valentine's_day valentines_day valentinstag saint-valentin san_valentín"
    " lễ_tình_nhân 情人节 情人節",
    "thanksgiving": "thanksgiving thanksgiving_day 感恩节 感恩節",
    "lunar new year's eve": "除夕 除夕夜 年三十 đêm_giao_thừa giao_thừa",
    "lunar new year": "tết tết_nguyên_đán tết_âm_lịch chinese_new_year lunar_new_year"
    " chinesisches_neujahr nouvel_an_chinois nouvel_an_lunaire año_nuevo_chino 春节 春節 农历新年",
}
_COUNTED = {
    "spring": "spring springs",
    "summer": "summer summers sommer sommern étés veranos mùa_hè",
    "autumn": "autumn autumns falls herbsten automnes otoños",
    "winter": "winter winters wintern hivers inviernos mùa_đông",
    "year": "year years jahr jahre jahren an ans année années año años năm 年",
    "month": "month months monat monate monaten mois mes meses tháng 个月 個月",
    "week": "week weeks woche wochen semaine semaines semana semanas tuần 周 週 个星期 個星期",
    "day": "day days tag tage tagen jour jours día días ngày 天",
}
_ORDINALS = {
    "1": "first 1st erste ersten erster erstes ersten 1. première premier premiers premières 1ère"
    " 1er primer primera primeros primeras đầu đầu_tiên thứ_nhất 第一 第一个",
    "2": "second 2nd zweite zweiten zweiter zweites 2. deuxième seconde 2e segundo segunda thứ_hai"
    " 第二 第二个",
    "3": "third 3rd dritte dritten dritter drittes 3. troisième 3e tercer tercera thứ_ba 第三"
    " 第三个",
    "4": "fourth 4th vierte vierten vierter viertes 4. quatrième 4e cuarto cuarta thứ_tư 第四"
    " 第四个",
    "-1": "last letzte letzten letzter letztes letztem dernier dernière derniers dernières último"
    " última últimos últimas cuối cuối_cùng 最后一 最后一个 最後一 最後一個",
}
_PARTS = {
    "week": "week woche semaine semana tuần 周 週 星期 礼拜",
    "weekend": "weekend wochenende week-end fin_de_semana cuối_tuần 周末 週末",
    "day": "day tag jour día ngày 天",
    "days": "days tage tagen jours días",
}
_COUNTS = {
    "1": "one a an ein eine einem einer eins un une uno una một 一",
    "2": "two a_couple_of a_couple couple_of zwei deux dos hai 二 两",
    "3": "three drei trois tres ba 三",
    "4": "four vier quatre cuatro bốn 四",
    "5": "five fünf cinq cinco năm 五",
    "6": "six sechs seis sáu 六",
    "7": "seven sieben sept siete bảy 七",
    "8": "eight acht huit ocho tám 八",
    "9": "nine neun neuf nueve chín 九",
    "10": "ten zehn dix diez mười 十",
    "12": "twelve zwölf douze doce mười_hai",
    "14": "fourteen vierzehn quatorze catorce",
    "15": "fifteen fünfzehn quinze quince mười_lăm",
    "20": "twenty zwanzig vingt veinte hai_mươi",
}
_WHOLE = {
    "last year": "năm_ngoái năm_trước 去年",
    "the year before last": "the_year_before_last year_before_last vorletztes_jahr"
    " vorletzten_jahres vorletzten_jahr năm_kia 前年",
    "this year": "năm_nay 今年",
    "last month": "tháng_trước 上个月 上個月 上月",
    "this month": "tháng_này 这个月 這個月 本月",
    "last week": "tuần_trước 上周 上個星期 上个星期 上星期 上週",
    "this week": "tuần_này 这周 這週 本周 本週 这个星期 這個星期",
    "last spring": "上个春天 上個春天",
    "last summer": "上个夏天 上個夏天",
    "last autumn": "上个秋天 上個秋天",
    "last winter": "上个冬天 上個冬天",
    "yesterday": "yesterday yesterday_morning yesterday_afternoon yesterday_evening gestern"
    " gestern_morgen gestern_nachmittag gestern_abend d'hier hier_matin hier_soir ayer"
    " ayer_por_la_mañana ayer_por_la_tarde ayer_por_la_noche hôm_qua 昨天",
    "yesterday..today": "last_night letzte_nacht gestern_nacht la_nuit_dernière cette_nuit anoche"
    " tối_qua đêm_qua 昨晚 昨夜",
    "today": "today this_morning this_afternoon this_evening tonight heute heute_morgen heute_früh"
    " heute_abend aujourd'hui ce_matin ce_soir hoy esta_mañana esta_tarde hôm_nay sáng_nay 今天"
    " 今早 今晚",
    "last weekend": "last_weekend letztes_wochenende letzten_wochenende vergangenes_wochenende"
    " week-end_dernier weekend_dernier fin_de_semana_pasado cuối_tuần_trước 上周末 上週末"
    " 上个周末 上個週末",
    "the weekend before last": "the_weekend_before_last weekend_before_last vorletztes_wochenende"
    " l'avant-dernier_week-end avant-dernier_week-end 上上周末 上上个周末",
    "this weekend": "this_weekend dieses_wochenende ce_week-end ce_weekend este_fin_de_semana"
    " cuối_tuần_này 这周末 本周末 這週末",
    "day before yesterday": "the_day_before_yesterday day_before_yesterday vorgestern avant-hier"
    " anteayer antes_de_ayer hôm_kia 前天",
}
_RELATIVE_YEARS = {
    "0": "this_year dieses_jahr diesen_jahres cette_année este_año năm_nay 今年",
    "1": "last_year letztes_jahr letzten_jahres vergangenes_jahr l'année_dernière"
    " année_dernière el_año_pasado año_pasado năm_ngoái năm_trước 去年",
    "2": "the_year_before_last year_before_last vorletztes_jahr vorletzten_jahres năm_kia 前年",
}
_DECADES = {
    "5": "fifties fünfziger fünfzigern cincuenta cinquante",
    "6": "sixties sechziger sechzigern sesenta soixante",
    "7": "seventies siebziger siebzigern setenta soixante-dix",
    "8": "eighties achtziger achtzigern ochenta quatre-vingt",
    "9": "nineties neunziger neunzigern noventa quatre-vingt-dix",
}


BUT = "but and aber und mais et pero y nhưng và"
"""What may stand before `NOT`, as `listed` takes it."""

NOT = (
    "not no without except except_for other_than outside outside_of anywhere_but"
    " anywhere_except anything_but anything_except"
    " everywhere_but everything_but everywhere_except everything_except all_but all_except"
    " neither nicht weder kein keine keinen ohne außer ausser außerhalb außerhalb_von"
    " pas ni sans sauf excepté hors hors_de no sin excepto salvo fuera_de"
    " không không_phải trừ ngoại_trừ ngoài"
)
"""What says that all but what follows is meant, as `listed` takes it."""


def key(words: str) -> str:
    """Return words as the tables have them, and Turkish i's as others, as patterns take them."""
    folded = words.casefold().replace("i\u0307", "i").replace("ı", "i")
    return " ".join(folded.replace("’", "'").split())


def _plain(word: str) -> str:
    """Return a word without accents, as many type it."""
    bare = normalized("NFD", word.replace("đ", "d"))
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
    patterns = (re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    return "(?:" + "|".join(patterns).replace("'", "['’]") + ")"


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

WEEKDAYS = _table({str(number): names for number, names in enumerate(_WEEKDAYS)})
"""Numbers of days of the week, as text, by their names; Monday is 0."""

FEASTS = _table(_FEASTS)
"""English names of feasts, as `feasts` knows them."""

ORDINALS = _table(_ORDINALS)
"""Numbers, as text, by words for the first to the fourth of some; -1 is the last."""

PARTS = _table(_PARTS)
"""Parts of months and years, by their names."""

SEASONS, UNITS, COUNTED, COUNTS, WHOLE, RELATIVE_YEARS, DECADES = map(
    _table, (_SEASONS, _UNITS, _COUNTED, _COUNTS, _WHOLE, _RELATIVE_YEARS, _DECADES)
)
SEASONS["hè"] = "summer"  # "mùa hè"; with its accent only: "he" is English
TIME_WORDS = frozenset(
    word
    for table in (
        *(MONTH_NAMES, WEEKDAYS, FEASTS, SEASONS, UNITS, COUNTED, COUNTS, WHOLE),
        *(RELATIVE_YEARS, DECADES),
    )
    for name in table
    for word in name.split()
    if word.isascii()
)
"""Single words of all of them, without accents."""

_LONG = 5  # letters
LONG_WORDS = tuple(
    sorted(
        {
            word
            for table in (MONTH_NAMES, FEASTS, SEASONS, WEEKDAYS)
            for word in table
            if len(word) >= _LONG and word.isascii() and word.isalpha()
        }
    )
)
"""Single words of which a misspelt one may be one: "Januray"."""

MONTHS = tuple(names.split()[0] for names in _MONTHS)
"""English names."""

_WORD = re.compile(r"\w+")
_TELLING = frozenset(
    # not "the" of "the day before yesterday", nor "dem" of "dem qua"
    max(reversed(_WORD.findall(words)), key=len)
    for table in (MONTH_NAMES, WEEKDAYS, FEASTS, SEASONS, UNITS, COUNTED, WHOLE, DECADES)
    for words in table
)
_DIGIT_OR_UNSPACED = re.compile(rf"[\d{UNSPACED}]")


def may_tell_time(text: str) -> bool:
    """Return whether any time can be in a text, which spares most texts all patterns of times."""
    if _DIGIT_OR_UNSPACED.search(text):
        return True
    return not _TELLING.isdisjoint(_WORD.findall(key(text)))
