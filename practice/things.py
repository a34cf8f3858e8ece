"""The things of the practice world, and what may be said of each.

A thing belongs to one category, and everything that can be said of it is said of its whole category:
so a sentence about a thing can be checked, and a small model can know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Things that are spoken of in the same words. `care` is empty where nothing can be taken care of."""

    name: str
    things: tuple[str, ...]
    what: tuple[str, ...]  # {t} is …
    good: tuple[str, ...]  # {t} is …, one adjective
    place: tuple[str, ...]  # you find {t} …
    beside: tuple[str, ...]  # {t} goes with …
    do: tuple[str, ...]  # an invitation, with "it" for the thing
    care: tuple[str, ...]  # how it is kept well
    risk: tuple[str, ...]  # watch out for …


def _row(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", " ").split(";") if part.strip())


CATEGORIES = (
    Category(
        name="food",
        things=_row(
            """
            bread; soup; cheese; rice; pasta; pizza; an omelette; a pancake; a salad; a sandwich; porridge;
            curry; a stew; chocolate; honey; a pie; a cake; ice cream; a dumpling; jam; popcorn; a waffle
            """
        ),
        what=_row("a food for every day; a simple meal; something good to eat"),
        good=_row("filling; tasty; fresh; simple; rich; cheap"),
        place=_row("in the kitchen; on the table; at the bakery; in a lunch box"),
        beside=_row("a hot drink; a clean plate; a good friend; a pinch of salt"),
        do=_row("taste it slowly; share it at lunch; cook it with patience; buy it fresh; serve it warm"),
        care=_row("keep it cool; cover it well; store it dry; eat it soon"),
        risk=_row("too much salt; a hot pan; an empty purse; a heavy stomach"),
    ),
    Category(
        name="drink",
        things=_row(
            """
            coffee; tea; milk; lemonade; cocoa; water; apple juice; orange juice; cider; mint tea;
            ginger tea; iced tea; a milkshake; a smoothie; espresso; green tea
            """
        ),
        what=_row("a drink for a pause; something to sip; a cup of comfort"),
        good=_row("refreshing; fragrant; soothing; tasty; clear; mild"),
        place=_row("in the kitchen; in a cafe; in a tall glass; on a tray"),
        beside=_row("a biscuit; a slice of lemon; a quiet hour; a good book"),
        do=_row(
            """
            sip it slowly; pour it with care; share it with a guest; try it cold; offer it after lunch
            """
        ),
        care=_row("keep it cool; close the lid; use a clean cup; drink it soon"),
        risk=_row("a burnt tongue; a sleepless night; a wet table; too much sugar"),
    ),
    Category(
        name="fruit",
        things=_row(
            """
            an apple; a pear; a plum; a cherry; a banana; a melon; a peach; a lemon; a fig; a grape; a mango;
            a carrot; a potato; a tomato; an onion; a pumpkin; a cucumber; a turnip; a radish; spinach
            """
        ),
        what=_row("a gift of the garden; a healthy snack; something from the field"),
        good=_row("juicy; healthy; ripe; crisp; colourful; fresh"),
        place=_row("at the market; in the garden; in a basket; on the farm"),
        beside=_row("a sharp knife; a bowl of yoghurt; a handful of nuts; a summer salad"),
        do=_row(
            """
            wash it first; cut it in half; pick it when it is ripe; roast it gently; pack it for a walk
            """
        ),
        care=_row("keep it in the shade; store it dry; check it every day; keep it cool"),
        risk=_row("a soft spot; a hidden worm; a sharp knife; a sticky hand"),
    ),
    Category(
        name="animal",
        things=_row(
            """
            a cat; a dog; a horse; a rabbit; a goat; a sheep; a cow; a pig; a fox; a wolf; a bear; a deer;
            a mouse; a hedgehog; a squirrel; a donkey; a turtle; a frog; an elephant; a tiger; a camel;
            an otter; a badger; a hamster
            """
        ),
        what=_row("an animal with a will of its own; a living creature; a companion on four legs"),
        good=_row("clever; curious; gentle; lively; quiet; hungry"),
        place=_row("in the meadow; near the forest; behind the barn; in the shade"),
        beside=_row("fresh grass; a calm voice; a bowl of water; a soft bed"),
        do=_row(
            """
            watch it from afar; speak to it softly; give it time; let it come to you; learn its habits
            """
        ),
        care=_row("feed it daily; give it space; keep it warm; brush it gently"),
        risk=_row("sharp teeth; a sudden jump; a muddy floor; loud noise"),
    ),
    Category(
        name="bird",
        things=_row(
            """
            an owl; a robin; a sparrow; a crow; a swan; a goose; a duck; a hen; a parrot; a penguin;
            an eagle; a falcon; a stork; a swallow; a pigeon; a seagull; a peacock; a blackbird
            """
        ),
        what=_row("a bird with a voice of its own; a feathered neighbour; a guest from the sky"),
        good=_row("shy; graceful; noisy; proud; watchful; lively"),
        place=_row("in the old tree; on the roof; by the pond; above the field"),
        beside=_row("a handful of seeds; a bowl of water; a pair of binoculars; an open window"),
        do=_row(
            """
            listen to it at dawn; watch it from afar; leave it some seeds; draw its wings; follow its song
            """
        ),
        care=_row("fill the feeder; keep it calm; give it space; clean the nest box"),
        risk=_row("a hungry cat; a closed window; a sharp beak; a cold night"),
    ),
    Category(
        name="city",
        things=_row(
            """
            Lisbon; Oslo; Kyoto; Vienna; Prague; Dublin; Lima; Cairo; Nairobi; Toronto; Havana; Athens;
            Hanoi; Seoul; Warsaw; Porto; Bergen; Tallinn; Quito; Tunis; Riga; Bern
            """
        ),
        what=_row("a city with many faces; a place worth a journey; a town of stories"),
        good=_row("lively; welcoming; old; colourful; walkable; surprising"),
        place=_row("on the map; at the end of a train line; behind the hills; near the water"),
        beside=_row("a good map; a comfortable shoe; a local guide; a free weekend"),
        do=_row(
            """
            see it on foot; visit it in spring; explore it by tram; read about it first; stay there a week
            """
        ),
        care=(),
        risk=_row("a full train; an expensive hotel; a wrong turn; a crowded square"),
    ),
    Category(
        name="landscape",
        things=_row(
            """
            the sea; the forest; the desert; a river; a lake; a mountain; a valley; an island; a waterfall;
            a cave; a glacier; a beach; a meadow; a cliff; a swamp; a volcano; the moor; a canyon
            """
        ),
        what=_row("a wide and open place; a piece of nature; a place for long walks"),
        good=_row("vast; peaceful; wild; silent; majestic; beautiful"),
        place=_row("far from the city; at the end of the path; under the open sky; on an old map"),
        beside=_row("a warm jacket; a good map; a pair of boots; a full bottle"),
        do=_row(
            """
            walk there early; look at it in silence; paint it at dusk; cross it with a guide;
            visit it in autumn
            """
        ),
        care=_row("take your rubbish home; stay on the path; leave it as it was; light no fire there"),
        risk=_row("a sudden storm; loose stones; a long way back; cold feet"),
    ),
    Category(
        name="tool",
        things=_row(
            """
            a hammer; a saw; a drill; a ladder; a screwdriver; a spade; a rake; a knife; a rope; a bucket;
            a broom; a needle; a lantern; a compass; an axe; a chisel; a wrench; a shovel; a paintbrush;
            a ruler; a telescope; a pump
            """
        ),
        what=_row("a tool for steady hands; a helper in the workshop; a thing of daily use"),
        good=_row("useful; sturdy; handy; reliable; practical; heavy"),
        place=_row("in the shed; on the workbench; in the toolbox; on a hook"),
        beside=_row("a pair of gloves; a steady hand; a clear plan; a drop of oil"),
        do=_row(
            """
            hold it firmly; use it with care; try it on scrap first; lend it to a neighbour;
            practise with it
            """
        ),
        care=_row("keep it dry; clean it after use; oil it now and then; hang it up"),
        risk=_row("sore fingers; a loose handle; rust; a careless moment"),
    ),
    Category(
        name="plant",
        things=_row(
            """
            a rose; a tulip; a daisy; a fern; an oak; a birch; a cactus; ivy; moss; lavender; basil; mint;
            a sunflower; a lily; an orchid; a willow; a pine; thyme; a violet; bamboo
            """
        ),
        what=_row("a plant with deep roots; a green companion; a small wonder of growth"),
        good=_row("green; fragrant; hardy; delicate; patient; pretty"),
        place=_row("in the garden; on the balcony; by the window; along the path"),
        beside=_row("morning light; good soil; a clay pot; a little rain"),
        do=_row(
            """
            plant it in spring; water it early; turn it to the light; look at it closely; give it room
            """
        ),
        care=_row("water it weekly; trim it in autumn; protect it from frost; give it fresh soil"),
        risk=_row("dry soil; too much water; hungry snails; a late frost"),
    ),
    Category(
        name="weather",
        things=_row(
            """
            rain; snow; fog; wind; thunder; hail; frost; sunshine; a storm; a rainbow; a heat wave; drizzle;
            a breeze; a cloud; mist; a cold snap
            """
        ),
        what=_row("a mood of the sky; a kind of weather; a guest that comes and goes"),
        good=_row("changeable; sudden; quiet; refreshing; dramatic; natural"),
        place=_row("over the hills; above the town; in the forecast; along the coast"),
        beside=_row("a warm coat; a hot drink; a good roof; a long walk"),
        do=_row(
            """
            enjoy it from indoors; dress for it; watch it from the window; photograph it; wait for it calmly
            """
        ),
        care=(),
        risk=_row("a slippery road; a wet collar; a grey mood; a closed pass"),
    ),
    Category(
        name="feeling",
        things=_row(
            """
            joy; sadness; hope; fear; anger; pride; envy; love; boredom; curiosity; gratitude; loneliness;
            courage; patience; homesickness; trust; surprise; calm
            """
        ),
        what=_row("a feeling that everyone knows; a guest of the heart; a part of being human"),
        good=_row("human; strong; honest; fleeting; deep; natural"),
        place=_row("in the heart; in a quiet room; between two people; in old letters"),
        beside=_row("a deep breath; a long talk; a slow walk; an honest word"),
        do=_row("name it aloud; give it time; write about it; talk about it; sit with it"),
        care=_row("make room for it; speak of it openly; rest with it; listen to it"),
        risk=_row("hasty words; sleepless nights; false friends; old habits"),
    ),
    Category(
        name="instrument",
        things=_row(
            """
            a piano; a guitar; a violin; a flute; a drum; a trumpet; a cello; a harp; an organ; a banjo;
            a clarinet; an accordion; a ukulele; a saxophone; a tambourine; a harmonica; a bell; an oboe
            """
        ),
        what=_row("an instrument with a long past; a voice for music; a maker of sound"),
        good=_row("melodic; loud; expressive; delicate; bright; mellow"),
        place=_row("on the stage; in the music room; in the orchestra; at the street corner"),
        beside=_row("a patient teacher; sheet music; a small audience; a metronome"),
        do=_row(
            """
            play it every day; tune it first; listen to it live; learn it slowly; practise it in the evening
            """
        ),
        care=_row("keep it in its case; clean it gently; keep it from heat; let an expert check it"),
        risk=_row("angry neighbours; a broken part; stiff fingers; wrong notes"),
    ),
    Category(
        name="game",
        things=_row(
            """
            chess; football; tennis; swimming; running; sailing; cycling; climbing; skiing; rowing; archery;
            judo; cricket; darts; badminton; bowling; fencing; golf; yoga; skating; hiking; volleyball
            """
        ),
        what=_row("a game of skill; a sport for many ages; a way to spend an afternoon"),
        good=_row("exciting; healthy; demanding; playful; fair; social"),
        place=_row("in the park; at the club; on a free weekend; in the next village"),
        beside=_row("a good teammate; a bottle of water; comfortable clothes; a fair rival"),
        do=_row(
            """
            start it gently; try it with a friend; train it twice a week; watch it once; learn its rules
            """
        ),
        care=_row("train it regularly; warm up first; rest between the days; keep it playful"),
        risk=_row("sore muscles; a twisted ankle; too much ambition; bad timing"),
    ),
    Category(
        name="vehicle",
        things=_row(
            """
            a bicycle; a train; a tram; a bus; a car; a canoe; a ferry; a scooter; a sailboat; a sled;
            a tractor; a taxi; a van; a truck; an airship; a rowboat; a motorcycle; a wagon
            """
        ),
        what=_row("a means of travel; a way from here to there; a machine that moves people"),
        good=_row("quick; slow; roomy; reliable; comfortable; noisy"),
        place=_row("at the station; on the road; in the harbour; behind the house"),
        beside=_row("a valid ticket; a small suitcase; a good map; a spare part"),
        do=_row("check it before you leave; ride it on a quiet day; book it early; share it; try it once"),
        care=_row("keep it clean; have it checked yearly; park it under a roof; oil its joints"),
        risk=_row("delays; bad weather; an empty tank; a narrow bend"),
    ),
    Category(
        name="garment",
        things=_row(
            """
            a coat; a scarf; a hat; a glove; a shirt; a sweater; a dress; a skirt; a belt; a boot; a sandal;
            a cap; a vest; a sock; a raincoat; a kimono; a shawl; an apron; a jacket; a slipper
            """
        ),
        what=_row("a piece of clothing; something to wear; a second skin"),
        good=_row("comfortable; warming; elegant; colourful; practical; soft"),
        place=_row("in the wardrobe; on a hanger; at the tailor; in a suitcase"),
        beside=_row("a neat button; a matching colour; a good mirror; clean shoes"),
        do=_row(
            """
            try it on first; wear it on cold days; match it with blue; fold it neatly; choose it in daylight
            """
        ),
        care=_row("wash it gently; mend it early; dry it flat; air it outside"),
        risk=_row("moths; a wrong size; hot water; a loose thread"),
    ),
    Category(
        name="furniture",
        things=_row(
            """
            a chair; a table; a sofa; a lamp; a bed; a mirror; a carpet; a clock; a shelf; a candle;
            a pillow; a curtain; a bench; a desk; a stove; a vase; a kettle; a basket; a stool; a drawer
            """
        ),
        what=_row("a part of the home; a quiet helper in the room; a thing for many years"),
        good=_row("cosy; solid; plain; elegant; useful; old"),
        place=_row("in the living room; by the fireplace; in the corner; near the door"),
        beside=_row("a wooden floor; a soft light; a pot of flowers; a clean cloth"),
        do=_row(
            """
            place it near the window; choose it with time; try it before you buy; move it now and then;
            keep it simple
            """
        ),
        care=_row("dust it weekly; keep it from damp; repair it early; wipe it with a cloth"),
        risk=_row("scratches; damp walls; sharp corners; a wobbly leg"),
    ),
    Category(
        name="art",
        things=_row(
            """
            poetry; painting; opera; ballet; photography; pottery; sculpture; calligraphy; jazz; theatre;
            knitting; weaving; origami; drawing; embroidery; woodcarving; singing; gardening; baking;
            juggling
            """
        ),
        what=_row("an art of patience; a craft for head and hand; a hobby for long evenings"),
        good=_row("creative; calming; demanding; expressive; rewarding; old"),
        place=_row("in a small studio; at the evening school; on a festival; in the library"),
        beside=_row("a notebook; good light; a patient teacher; a quiet hour"),
        do=_row(
            """
            begin it small; practise it weekly; show it to a friend; learn it by doing;
            enjoy it without haste
            """
        ),
        care=_row(
            """
            keep a fixed hour for it; save your first works; take small breaks; stay curious about it
            """
        ),
        risk=_row("impatience; a tired back; high costs; harsh judges"),
    ),
    Category(
        name="occasion",
        things=_row(
            """
            a birthday; a wedding; a picnic; a holiday; a farewell; a reunion; a concert; a market day;
            a harvest; a parade; a sleepover; a dinner party; a first date; a school trip; a job interview;
            a bonfire
            """
        ),
        what=_row("a day to remember; an occasion with people; a break from routine"),
        good=_row("festive; exciting; memorable; joyful; busy; special"),
        place=_row("in the calendar; in the town hall; in the open air; at a long table"),
        beside=_row("a clean shirt; a short speech; a small gift; good company"),
        do=_row("plan it early; arrive on time; take a photo of it; keep it small; look forward to it"),
        care=(),
        risk=_row("bad weather; a late guest; too many plans; sore feet"),
    ),
    Category(
        name="worker",
        things=_row(
            """
            a baker; a doctor; a teacher; a farmer; a sailor; a nurse; a tailor; a carpenter; a librarian;
            a gardener; a painter; a pilot; a cook; a plumber; a judge; a fisherman; a potter; a clown;
            a journalist; a mason; a shepherd; a postman
            """
        ),
        what=_row("a person with a trade; someone who serves the town; a master of small things"),
        good=_row("busy; skilled; helpful; tired; respected; patient"),
        place=_row("at work; in the village; at the corner shop; on the early bus"),
        beside=_row("clean hands; strong coffee; an early alarm; a loyal team"),
        do=_row("ask for advice; watch the work closely; say thanks; be on time; tell others about it"),
        care=(),
        risk=_row("long hours; high prices; a full waiting list; a misunderstanding"),
    ),
)


@cache
def category_of(thing: str) -> Category:
    """The category of a thing; KeyError for what is not of this world."""
    return _BY_THING[thing]


def things() -> tuple[str, ...]:
    """Every thing of the world, as it stands in a sentence ("a bicycle", "bread", "Lisbon")."""
    return tuple(_BY_THING)


_BY_THING = {thing: category for category in CATEGORIES for thing in category.things}

# What a person may own or have, for facts such as "My cat is called Miso."
OWNED = _row(
    """
    cat; dog; horse; sister; brother; boat; parrot; neighbour; teacher; village; street; school;
    band; team; garden; car; daughter; son; aunt; uncle; rabbit; house; cousin; robot; shop; hamster;
    friend; boss
    """
)
