"""What a reply is built of, counted in texts that are easily read wrong."""

from __future__ import annotations

import pytest

from engine.judging.measures import MEASURES, Occasion


def count(measure: str, text: str) -> float:
    return MEASURES[measure].count(text, Occasion())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Tea.", 1),
        ("Well-known facts: 3.5 litres — e.g. water.", 6),
        ("1. Tea\n2. Coffee", 2),
        ("- Tea\n- Coffee and milk", 4),
        ("# A title\n\nand text", 4),
        ("```py\nprint(1)\n```\nDone now.", 2),
        ("Use `git commit -m` now", 3),
        ("See https://x.com/a?b=c now", 3),
        ("A [long link](https://x.com) here", 4),
        ("| a | b |\n|---|---|\n| 1 | 2 |", 4),
        ("one—two…three", 3),
        ("👍 🎉 !!", 0),
        ("日本の首都は東京です。", 5),
        ("Pythonは言語です", 4),
        ("don't l'eau", 2),
    ],
)
def test_words(text: str, words: int) -> None:
    assert count("words", text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("Hello. How are you? Fine!", 3),
        ("Dr. Smith went to Washington D.C. on Jan. 5. He met Mr. Jones.", 2),
        ("It costs 3.5 dollars. That is e.g. cheap.", 2),
        ("Well... I think so. Hmm... maybe.", 3),
        ("Wait…what? No.", 2),
        ('"Really?" she asked. "Yes!"', 2),
        ("J. K. Rowling wrote it. George W. Bush read it.", 2),
        ("Take vitamin C. It helps.", 2),
        ("So do I. You too.", 2),
        ("hi! how are you? i am fine. bye", 4),
        ("Great! 😊 Next one.", 2),
        ("Great!😊 Next one.", 2),
        ("What?! No way!!!", 2),
        ("Steps: 1. Eat. 2. Sleep.", 2),
        ("Visit example.com. It is good.", 2),
        ("See https://x.com/a.b?c=d! Good.", 2),
        ("He said (see fig. 3.) and left. Ok.", 2),
        ("He lives in the U.S. He is happy. In the U.K. it rains.", 3),
        ("The answer is no. But No. 5 is fine.", 2),
        ("Meet at 5 p.m. tomorrow. Or at 6 p.m. Bring tea.", 3),
        ("I love art. It is great. I met Max. He left.", 4),
        ("Tell me what to go on. Is that it? so it is. yes.", 4),
        ("See fig. 3 and vol. 2 from Jan. 5. it is max. 7.", 2),
        ("the answer is no. i know it. max. left.", 4),
        ("Python 3.11 is out. Use `a. B` now.", 2),
        ("42", 1),
        ("It is 42. Right.", 2),
        # German
        ("Das geht, z. B. so, d. h. gut. Am 3. Mai kommt er.", 2),
        ("Der 1. Platz ging an sie. Der 2. Weltkrieg endete 1945. Er ist 42. Sie ist 40.", 4),
        ("So ist es. Das war es. Also gut.", 3),
        ("Tee, Milch usw. sind da. Das sind ca. 5 Liter bzw. mehr.", 2),
        # French, Spanish, Portuguese, Italian
        ("Elle est là, p. ex. ici. M. Dupont arrive.", 2),
        ("En 52 av. J.-C. il vint. Il vit.", 2),
        ("Vive en EE. UU. desde 2010. El Sr. García no.", 2),
        ("¿Cómo estás? ¡Bien!", 2),
        ("O Dr. Silva chegou. A Sra. Lima, p. ex. não.", 2),
        ("Il sig. Rossi arriva. Il dott. Verdi no.", 2),
        # Japanese
        ("東京です。大阪ではありません！本当？", 3),
        ("「はい。」と言った。", 1),
        ("「はい。」「いいえ。」", 2),
        ("すごい!とても良い。", 2),
        # blocks
        ("- eat\n- sleep\n- run", 3),
        ("- Eat. Then rest.\n- sleep", 3),
        ("# Title\n\nText here.", 1),
        ("**Title**\n\nText here.", 1),
        ("One.\n\nTwo.", 2),
        ("Roses are red,\nviolets are blue.", 1),
        ("| a. B. | c |\n|---|---|\n| 1 | 2 |", 0),
        ("```\nOne. Two. Three.\n```", 0),
        ("😊", 0),
    ],
)
def test_sentences(text: str, sentences: int) -> None:
    assert count("sentences", text) == sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Short. This one is longer. Mid one.", 4),
        ("Dr. Smith left early. No.", 4),
        ("- a b c\n- a b c d e", 5),
        ("# A heading that is very long indeed\n\nShort.", 1),
        ("短い。これはとても長い文です。", 6),
    ],
)
def test_longest_sentence(text: str, words: int) -> None:
    assert count("longest_sentence", text) == words


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("", 0),
        ("One.", 1),
        ("One.\nStill one.", 1),
        ("One.\n\nTwo.\n\n\n\nThree.", 3),
        ("One.\n \t\nTwo.", 2),
        ("One:\n\n- a\n- b", 3),
        ("# Heading\n\nOne.", 1),
        ("**Heading**\n\nOne.", 1),
        ("**Paris**", 1),
        ("One.\n\n---\n\nTwo.", 2),
        ("One.\n\n```\ncode\n\ncode\n```", 2),
        ("| a |\n|---|\n| 1 |\n\nOne.", 2),
        ("> One.\n> Still one.\n\nTwo.", 2),
        ("- a\n  goes on\n- b", 2),
    ],
)
def test_paragraphs(text: str, paragraphs: int) -> None:
    assert count("paragraphs", text) == paragraphs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("One two.\n\nThree.", 2),
        ("One two\nthree.", 3),
        ("One.\n\n- a b c d\n- e", 4),
        ("# A b c d e\n\nOne.", 1),
        ("| a b c | d |\n|---|---|\n\nOne.", 1),
    ],
)
def test_longest_paragraph(text: str, words: int) -> None:
    assert count("longest_paragraph", text) == words


@pytest.mark.parametrize(
    ("text", "bullets"),
    [
        ("- a\n* b\n• c\n– d\n+ e\n•f", 6),
        ("* **Bold** text\n* *slanted* text", 2),
        ("- [ ] task\n- [x] done", 2),
        ("  - nested\n    - deeper", 2),
        ("・りんご\n・みかん", 2),
        ("> - quoted item", 1),
        ("-5 degrees\n**bold** text\n*slanted*", 0),
        ("---\n* * *\n- - -\n***", 0),
        ("```\n- a\n- b\n```", 0),
        ("One - two - three", 0),
        ("1. a\n2. b", 0),
        ("-\n- ", 0),
    ],
)
def test_bullets(text: str, bullets: int) -> None:
    assert count("bullets", text) == bullets


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("1. a\n2) b\n(3) c\n4.) d", 4),
        ("1.Tea\n2.Milk", 2),
        ("**1. Bold**\n\n**2.** text\n\n3. **Bold:** text", 3),
        ("① お茶\n2、牛乳\n３．水", 3),
        ("a) tea\nb) milk\n(c) water", 3),
        ("1️⃣ tea\n2️⃣ milk", 2),
        ("10. ten\n\n    11. eleven", 2),
        ("1.5 litres\n2020 was\n1984. A novel", 0),
        ("Eat 1. tea 2. milk", 0),
        ("```\n1. a\n```", 0),
        ("### 1. Heading", 0),
        ("- a", 0),
        ("1.\n2. ", 0),
    ],
)
def test_numbered(text: str, numbered: int) -> None:
    assert count("numbered", text) == numbered


def test_list_items_have_a_bullet_or_a_number() -> None:
    assert count("list_items", "- a\n1. b\n\nText.\n\n* c") == 3


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("# A\n\ntext\n\n###### B\ntext", 2),
        ("**Bold line**\n\ntext", 1),
        ("**Bold line:**\ntext", 1),
        ("**Bold line**:\ntext", 1),
        ("__Bold line__\n\ntext", 1),
        ("text\n\n**What is it?**\n\ntext", 1),
        ("#hashtag\n\n####### seven\n\n#", 0),
        ("**Paris**", 0),
        ("Paris.\n\n**Bold line**", 0),
        ("**This is a whole sentence in bold.**\n\nMore", 0),
        ("**Note:** this goes on.\n\nMore", 0),
        ("**a** and **b**\n\nMore", 0),
        ("```\n# comment\n```", 0),
    ],
)
def test_headings(text: str, headings: int) -> None:
    assert count("headings", text) == headings


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("| a | b |\n|---|---|\n| 1 | 2 |", 1),
        ("a | b\n--- | ---\n1 | 2", 1),
        ("| a |\n|:-:|\n| 1 |\n\ntext\n\n| b |\n|---|\n| 2 |", 2),
        ("| a | b |\n| 1 | 2 |", 0),
        ("either | or", 0),
        ("a\n---\nb", 0),
        ("```\n| a | b |\n|---|---|\n```", 0),
    ],
)
def test_tables(text: str, tables: int) -> None:
    assert count("tables", text) == tables


def test_structures_are_items_headings_and_tables() -> None:
    assert count("structures", "# A\n\n- a\n1. b\n\n| a |\n|---|\n| 1 |") == 4
    assert count("structures", "Plain prose.\n\nMore of it: 1 and 2 - and **bold**.") == 0


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```py\nx\n```\ntext\n~~~\ny\n~~~", 2),
        ("Here: ```python\nprint(1)\n```\nDone.", 1),
        ("1. Do:\n   ```sh\n   ls\n   ```\n2. Done", 1),
        ("- ```sh\n  ls\n  ```\n- Done", 1),
        ("> ```\n> x\n> ```\n\nDone.", 1),
        ("```\nnever closed", 1),
        ("```\nprint(x)```\nDone.", 1),
        ("````\n```\n````\nDone.", 1),
        ("Use ```inline``` and `code` here", 0),
        ("    indented", 0),
    ],
)
def test_code_blocks(text: str, blocks: int) -> None:
    assert count("code_blocks", text) == blocks


def test_text_after_a_code_block_is_text_again() -> None:
    for text in ("```\nx\n```\nDone now.", "```\nprint(x)```\nDone now.", "Text ```py\nx\n```\nnow."):
        assert count("words", text) == 2


@pytest.mark.parametrize(
    ("text", "is_first"),
    [
        ("```\nx\n```", 1),
        ("\n\n```py\nx\n```\ntext", 1),
        ("~~~\nx\n~~~", 1),
        ("Code:\n```\nx\n```", 0),
        ("`x` is code", 0),
        ("", 0),
    ],
)
def test_starts_with_code(text: str, is_first: int) -> None:
    assert count("starts_with_code", text) == is_first


@pytest.mark.parametrize(
    ("measure", "text", "passages"),
    [
        ("bold", "**a** and __b c__ and ***d***", 3),
        ("bold", "- **a:** b\n# **c**\n<b>d</b>", 3),
        ("bold", "** a ** and 2 ** 3 and **open", 0),
        ("bold", "`**a**`\n```\n**b**\n```", 0),
        ("italics", "*a* and _b c_ and ***d*** <em>e</em>", 4),
        ("italics", "**a** snake_case_name 2 * 3 * 4 *open", 0),
        ("italics", "* a bullet\n* another", 0),
        ("links", "[a](http://b.com) and https://c.org. See www.d.net and example.com", 4),
        ("links", "[https://a.com](https://a.com) ![i](u.png) <https://b.com>", 3),
        ("links", "a@b.com e.g.it Node.js end.Next [1] [a] (b)", 0),
        ("links", "`https://a.com`\n```\nhttps://b.com\n```", 0),
    ],
)
def test_emphasis_and_links(measure: str, text: str, passages: int) -> None:
    assert count(measure, text) == passages
