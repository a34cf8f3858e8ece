"""What grade a text needs: a primer little, a report much, in every language."""

from __future__ import annotations

import pytest

from engine.judging.measures import MEASURES, Occasion


def grade(text: str) -> float:
    return MEASURES["reading_grade"].count(text, Occasion())


GRADED = {
    "en": (
        "The cat sat on the mat. It was fat. It had a red hat.",
        (
            "The committee subsequently acknowledged that comprehensive organisational restructuring "
            "necessitates considerable administrative coordination between international departments."
        ),
    ),
    "de": (
        "Der Hund ist alt. Er mag das Gras. Die Sonne ist warm.",
        (
            "Die Kommission bestätigte anschließend, dass eine umfassende organisatorische Umgestaltung "
            "erhebliche verwaltungstechnische Abstimmungen zwischen internationalen Abteilungen voraussetzt."
        ),
    ),
    "fr": (
        "Le chat est là. Il est gris. Il a un bol.",
        (
            "La commission reconnut ultérieurement que la restructuration organisationnelle nécessite "
            "une coordination administrative considérable entre les départements internationaux."
        ),
    ),
    "es": (
        "El gato está aquí. Es gris. Tiene un plato.",
        (
            "La comisión reconoció posteriormente que la reestructuración organizativa completa requiere una "
            "coordinación administrativa considerable entre los departamentos internacionales."
        ),
    ),
    "pt": (
        "O gato está aqui. É cinza. Tem um prato.",
        (
            "A comissão reconheceu posteriormente que a reestruturação organizacional completa requer uma "
            "coordenação administrativa considerável entre os departamentos internacionais."
        ),
    ),
    "it": (
        "Il gatto è qui. È nero. Ha un osso.",
        (
            "La commissione riconobbe successivamente che la ristrutturazione organizzativa richiede un "
            "notevole coordinamento amministrativo tra i dipartimenti internazionali."
        ),
    ),
    "ja": (
        "ねこがいます。かわいいです。ねています。",
        "委員会は国際部門間の行政的調整が組織全体の抜本的再編に必要不可欠であると認識した。",
    ),
}


@pytest.mark.parametrize("language", GRADED)
def test_a_primer_is_easier_than_a_report(language: str) -> None:
    primer, report = (grade(text) for text in GRADED[language])
    assert primer <= 5.0
    assert report >= 11.0


def test_the_grade_of_english_is_that_of_flesch_and_kincaid() -> None:
    text = "The teacher will repeat the lesson tomorrow because many students were absent."
    words, sentences, syllables = 12, 1, 21
    assert grade(text) == pytest.approx(0.39 * words / sentences + 11.8 * syllables / words - 15.59)


def test_long_words_and_long_sentences_each_make_it_harder() -> None:
    easy = "We saw the old dog. It ran to us. It was wet."
    assert grade("We saw the old dog as it ran to us and it was wet.") > grade(easy)
    assert grade("We witnessed the elderly animal. It galloped to us. It was saturated.") > grade(easy)


def test_lists_are_read_too_but_code_is_not() -> None:
    assert grade("- comprehensive organisational restructuring") > grade("- tea")
    assert grade("We saw the dog.\n\n```\ncomprehensive organisational restructuring\n```") == grade(
        "We saw the dog."
    )


def test_nothing_to_read_needs_no_grade() -> None:
    assert grade("") == grade("```\nx\n```") == 0.0
