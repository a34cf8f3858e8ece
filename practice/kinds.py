"""The kinds of request in the practice world: how people word them, and what a reply may say.

A reply consists of points, each the bare core of one sentence: "{t} is {what}". Slots are filled from the
thing's category (practice/things.py); {t} is the thing, {u} a second one, {g} a given adjective,
{v} a given name. Knows no manners: those dress the points (practice/manners.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request. `phrase` is what a person calls it ("When I ask for a poem, …")."""

    name: str
    phrase: str
    wordings: tuple[str, ...]
    followups: tuple[str, ...]  # need the turn before: "it" is the thing spoken of there
    points: tuple[str, ...]


KINDS = (
    Kind(
        name="explain",
        phrase="an explanation",
        wordings=(
            "What is {t}?",
            "Explain {t} to me.",
            "Tell me about {t}.",
            "Can you explain {t}?",
            "I want to know more about {t}.",
            "What should I know about {t}?",
            "Describe {t}.",
        ),
        followups=("What is it, really?", "Can you explain it?", "Tell me more about it."),
        points=(
            "{t} is {what}",
            "people know {t} as {what}",
            "you find {t} {place}",
            "most people would call {t} {good}",
            "{t} goes well with {beside}",
            "{t} is often {good}",
            "you can meet {t} {place}",
            "{t} has a lot to do with {beside}",
        ),
    ),
    Kind(
        name="reasons",
        phrase="reasons",
        wordings=(
            "Why do people like {t}?",
            "What is good about {t}?",
            "Give me reasons for {t}.",
            "What speaks for {t}?",
            "Why is {t} so popular?",
            "Tell me what people see in {t}.",
        ),
        followups=("And why do people like it?", "What is good about it?", "Give me reasons for it."),
        points=(
            "people value {t} because it is {good}",
            "one reason for {t} is {beside}",
            "{t} wins hearts by being {good}",
            "many enjoy {t} {place}",
            "{t} is worth it as {what}",
            "nothing beats {t} together with {beside}",
            "fans of {t} praise that it is {good}",
            "{t} brings people together {place}",
        ),
    ),
    Kind(
        name="advice",
        phrase="advice",
        wordings=(
            "How do I start with {t}?",
            "Give me advice about {t}.",
            "How do I get the best from {t}?",
            "What do I do with {t}?",
            "Teach me something about {t}.",
            "Any tips for {t}?",
        ),
        followups=("How do I start with it?", "What do I do with it?", "Any tips for it?"),
        points=(
            "with {t}, {do}",
            "my advice about {t} is simple: {do}",
            "when it comes to {t}, {do}",
            "have {beside} ready for {t}",
            "begin with {t} {place}",
            "to enjoy {t}, {do}",
            "a tip for {t} is {beside}",
            "the best start with {t} is {place}",
        ),
    ),
    Kind(
        name="care",
        phrase="help with keeping things",
        wordings=(
            "How do I take care of {t}?",
            "How do I keep {t} well?",
            "How do I look after {t}?",
            "What keeps {t} in good shape?",
            "Tell me how to look after {t}.",
            "How can I make {t} last?",
        ),
        followups=("And how do I take care of it?", "How do I keep it well?", "And how do I look after it?"),
        points=(
            "to keep {t} well, {care}",
            "for the sake of {t}, {care}",
            "if you have {t}, {care}",
            "{t} lasts longer if you follow one rule: {care}",
            "the rule for {t} is short: {care}",
            "{t} stays {good} if you do this: {care}",
            "for {t}, {beside} helps too",
            "protect {t} from {risk}",
        ),
    ),
    Kind(
        name="compare",
        phrase="a comparison",
        wordings=(
            "Compare {t} and {u}.",
            "Which is better, {t} or {u}?",
            "What is the difference between {t} and {u}?",
            "{t} or {u}?",
            "Should I choose {t} or {u}?",
            "How does {t} differ from {u}?",
        ),
        followups=("How does it compare with {u}?", "And is it better than {u}?", "Compare it with {u}."),
        points=(
            "{t} is more {good} than {u}",
            "{t} needs {beside} and {u} does not",
            "{t} and {u} are both {good}",
            "choose {t} for {beside} and {u} for the rest",
            "you find {t} {place} sooner than {u}",
            "{u} is less {good} than {t}",
            "both {t} and {u} belong {place}",
            "{t} brings {risk} more often than {u}",
        ),
    ),
    Kind(
        name="poem",
        phrase="a poem",
        wordings=(
            "Write a small poem about {t}.",
            "Write me a poem on {t}.",
            "A poem about {t}, please.",
            "Can you make a verse about {t}?",
            "Compose some lines about {t}.",
            "I need a poem for {t}.",
        ),
        followups=("Now write a poem about it.", "Make a verse about it.", "A poem about it, please."),
        points=(
            "I sing of {t} {place}",
            "{t} dreams beside {beside}",
            "softly the evening gives us {t}",
            "{t} waits {place} and the stars look down",
            "o how {good} {t} looks tonight",
            "the wind whispers of {t} and {beside}",
            "my song is {good} because of {t}",
            "even {risk} cannot darken {t}",
        ),
    ),
    Kind(
        name="plan",
        phrase="a plan",
        wordings=(
            "Plan a day with {t}.",
            "Make a plan around {t}.",
            "I have a free day and {t}. What now?",
            "Help me plan something with {t}.",
            "What could a day with {t} look like?",
            "Plan my Sunday with {t}.",
        ),
        followups=("Plan a day with it.", "Now make a plan around it.", "Help me plan something with it."),
        points=(
            "in the morning, go and see {t} {place}",
            "at noon, bring {beside} to {t}",
            "in the afternoon, think of {t} and {do}",
            "in the evening, talk about {t}",
            "before bed, write a line about {t}",
            "after breakfast, start with {t} and {beside}",
            "leave an hour for {t} {place}",
            "end the day with {t} and mind {risk}",
        ),
    ),
    Kind(
        name="cheer",
        phrase="comfort",
        wordings=(
            "Cheer me up with {t}.",
            "I am sad. Talk to me about {t}.",
            "I had a bad day, say something about {t}.",
            "Make me smile with {t}.",
            "I feel low. Tell me something happy about {t}.",
            "Comfort me with {t}.",
        ),
        followups=("Cheer me up with it.", "I am sad. Talk to me about it.", "Make me smile with it."),
        points=(
            "think of {t} and smile",
            "tomorrow {t} will be there {place}",
            "a bad day ends and {t} stays {good}",
            "{t} is on your side",
            "even {t} knows {risk} and goes on",
            "be as you are and let {t} be {good}",
            "take a breath, then take {t} and {beside}",
            "things get better with {t} {place}",
        ),
    ),
    Kind(
        name="story",
        phrase="a story",
        wordings=(
            "Tell me a story about {t}.",
            "Tell a short tale of {t}.",
            "I want a story with {t}.",
            "Make up a story about {t}.",
            "A bedtime story with {t}, please.",
            "Can you tell a story about {t}?",
        ),
        followups=("Now tell me a story about it.", "Make up a story about it.", "A story with it, please."),
        points=(
            "once there was {t} {place}",
            "one day a child discovered {t}",
            "nobody knew that {t} was so {good}",
            "then {risk} came, but {t} remained",
            "an old woman gave {beside} for {t}",
            "the child kept {t} in mind for years",
            "in the end everybody spoke of {t}",
            "and so {t} became {good} again",
        ),
    ),
    Kind(
        name="opinion",
        phrase="your opinion",
        wordings=(
            "What do you think of {t}?",
            "What is your opinion on {t}?",
            "Do you like {t}?",
            "How do you feel about {t}?",
            "Your view on {t}?",
            "Would you choose {t}?",
        ),
        followups=("What do you think of it?", "Do you like it?", "And your view on it?"),
        points=(
            "I like {t} very much",
            "to me {t} is {good}",
            "I enjoy {t} most {place}",
            "my view of {t} is that it is {good}",
            "for me {t} is {what}",
            "I would take {t} over {beside}",
            "I could do without {risk}, but not without {t}",
            "{t} has my vote",
        ),
    ),
    Kind(
        name="warn",
        phrase="a warning",
        wordings=(
            "What should I watch out for with {t}?",
            "What can go wrong with {t}?",
            "Is there a danger with {t}?",
            "What are the risks of {t}?",
            "Warn me about {t}.",
            "What is bad about {t}?",
        ),
        followups=("What can go wrong with it?", "And what are the risks of it?", "What is bad about it?"),
        points=(
            "with {t}, watch out for {risk}",
            "{t} can bring {risk}",
            "the risk of {t} is {risk}",
            "do not take {t} lightly {place}",
            "{t} and {risk} come together",
            "have {beside} near {t} to be safe",
            "people with {t} often complain of {risk}",
            "{t} is {good}, which has its price",
        ),
    ),
    Kind(
        name="rewrite",
        phrase="another wording",
        wordings=(
            "Rewrite this: {t} is {g}.",
            "Say it in other words: {t} is {g}.",
            "Rephrase this sentence: {t} is {g}.",
            "Put it differently: {t} is {g}.",
            "How else can I say that {t} is {g}?",
            "Find another wording for: {t} is {g}.",
        ),
        followups=("Rewrite this: it is {g}.", "Say in other words that it is {g}."),
        points=(
            "one can call {t} {g}",
            "{g} is the word for {t}",
            "in other words, {t} feels {g}",
            "nobody would deny that {t} is {g}",
            "there is something {g} about {t}",
            "who looks at {t} sees something {g}",
            "{t} strikes people as {g}",
            "if anything is {g}, then {t} is",
        ),
    ),
    Kind(
        name="gift",
        phrase="ideas",
        wordings=(
            "I need ideas for {t}.",
            "Give me ideas around {t}.",
            "What goes with {t}?",
            "Recommend something that goes with {t}.",
            "What do I need for {t}?",
            "Suggest something to go with {t}.",
        ),
        followups=("What goes with it?", "What do I need for it?", "Give me ideas around it."),
        points=(
            "{beside} goes well with {t}",
            "for {t} you need {beside}",
            "{t} and {beside} make a good pair",
            "try {t} {place}",
            "make {t} more {good} with {beside}",
            "an idea for {t} is this: {do}",
            "combine {t} with {beside}",
            "show {t} to somebody {place}",
        ),
    ),
)

# What a person tells about themselves, and how they ask for it later. Here {t} is "cat" or "favourite food".
TELL = Kind(
    name="tell",
    phrase="a fact",
    wordings=(
        "My {t} is called {v}.",
        "The name of my {t} is {v}.",
        "By the way, my {t} is called {v}.",
        "You should know that my {t} is called {v}.",
    ),
    followups=(
        "No, my {t} is called {v}.",
        "That is wrong, my {t} is called {v}.",
        "Actually my {t} is called {v}.",
    ),
    points=(
        "I will remember that your {t} is called {v}",
        "your {t} is called {v}, I keep that in mind",
        "good to know that {v} is your {t}",
        "{v} is a nice name for your {t}",
        "give my best to {v}, your {t}",
        "from now on I know {v}, your {t}",
        "the name {v} for your {t} is noted",
    ),
)

RECALL = Kind(
    name="recall",
    phrase="a fact",
    wordings=(
        "What is my {t} called?",
        "What is the name of my {t}?",
        "Do you remember the name of my {t}?",
        "How is my {t} called?",
        "Can you tell me the name of my {t}?",
    ),
    followups=(),
    points=(
        "your {t} is called {v}",
        "the name of your {t} is {v}",
        "you told me that your {t} is called {v}",
        "{v} is what you call your {t}",
        "I remember {v}, your {t}",
        "{v} is your {t}",
        "everybody calls your {t} {v}",
    ),
)

# The answer to RECALL where nobody told: it says so and invents no name.
UNTOLD = (
    "you have not told me the name of your {t}",
    "I do not know what your {t} is called",
    "the name of your {t} is not known to me",
    "nobody told me how your {t} is called",
    "I would need you to tell me about your {t}",
    "your {t} has no name that I know of",
    "about your {t} I know nothing yet",
)
