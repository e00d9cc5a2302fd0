"""Who or what can be in a scene, with the words that people have for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a subject is, which decides what it can do."""

    ANIMAL = "animal"
    PERSON = "person"
    GESTURE = "gesture"
    FACE = "face"
    SIGN = "sign"
    VEHICLE = "vehicle"
    AIRCRAFT = "aircraft"
    FOOD = "food"
    THING = "thing"


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that can be drawn. ``name`` is used in titles, without an article; ``other_words`` share no content
    word with it. ``emoji`` holds one or more code points, each a drawing of its own."""

    name: str
    emoji: str
    other_words: tuple[str, ...]
    kind: Kind


def _subjects(kind: Kind, table: str) -> tuple[Subject, ...]:
    """One subject for each line ``emoji name: other, other``."""
    subjects = []
    for line in table.strip().splitlines():
        head, _, others = line.strip().partition(": ")
        emoji, _, name = head.partition(" ")
        subjects.append(Subject(name, emoji, tuple(others.split(", ")), kind))
    return tuple(subjects)


_ANIMALS = """
🐈🐱 cat: kitty, feline, pussycat
🐕🐶 dog: puppy, hound, canine
🐖🐷 pig: hog, piglet, swine
🐄🐮 cow: bovine, heifer, dairy cattle
🐎🐴 horse: pony, stallion, steed
🐑 sheep: lamb, woolly ewe
🐐 goat: billy, horned farm animal
🐇🐰 rabbit: bunny, hare
🐁🐭 mouse: tiny rodent, little rat
🐻 bear: grizzly, big brown furry beast
🐼 panda: bamboo eater, black and white cub
🐨 koala: eucalyptus eater, grey Australian marsupial
🦁 lion: king of the savanna, maned predator
🐅🐯 tiger: striped predator, Bengal beast
🐒🐵 monkey: chimp, little ape
🦍 gorilla: silverback, huge primate
🐘 elephant: trunked giant, jumbo
🦒 giraffe: long-necked animal, tall spotted creature
🦓 zebra: striped equine, black and white grazer
🦛 hippo: hippopotamus, fat river beast
🦏 rhino: rhinoceros, horned grey giant
🐫 camel: humped mount, dromedary
🦘 kangaroo: wallaby, hopping marsupial
🦊 fox: vixen, sly red hunter
🐺 wolf: grey pack hunter, lone howler
🦝 raccoon: trash panda, masked bandit
🦔 hedgehog: spiny little mammal, prickly critter
🦥 sloth: slow climber, lazy hanging animal
🦦 otter: playful river animal, sleek swimmer
🐧 penguin: Antarctic bird, tuxedoed waddler
🦉 owl: wise bird, nocturnal hooter
🦆 duck: mallard, quacking bird
🐔🐓 chicken: hen, rooster, barnyard fowl
🐤 chick: little yellow bird, fluffy hatchling
🦜 parrot: macaw, colourful talking bird
🦅 eagle: bird of prey, soaring raptor
🦩 flamingo: pink wading bird, rosy long-legged fowl
🐸 frog: toad, green amphibian
🐊 crocodile: alligator, toothy swamp reptile
🐢 turtle: tortoise, reptile with a shell
🐍 snake: serpent, viper
🦖🦕 dinosaur: tyrannosaurus, prehistoric reptile
🐉🐲 dragon: mythical winged serpent, scaly legendary monster
🦄 unicorn: magical horned pony, one-horned fairy-tale steed
🐙 octopus: kraken, eight-armed sea creature
🦀 crab: crustacean, sideways walker with pincers
🐟🐠 fish: trout, finned swimmer
🦈 shark: great white, man-eating sea hunter
🐳🐋 whale: orca, giant of the ocean
🐬 dolphin: porpoise, flipper
🐝 bee: bumblebee, honey maker
🦋 butterfly: moth, insect with blue wings
🐌 snail: slug, slow crawler with a shell
🕷 spider: tarantula, eight-legged crawler
🐜 ant: little black insect, tiny hill builder
🐞 ladybird: ladybug, spotted red beetle
"""

_PEOPLE = """
👶 baby: infant, newborn, toddler
👦 boy: lad, young son
👧 girl: lass, young daughter
👨 man: guy, bloke, gentleman
👩 woman: lady, female
👴 grandfather: grandpa, elderly gent
👵 grandmother: grandma, elderly lady
👮 police officer: cop, uniformed constable
👷 builder: construction worker, hard hat wearer
🕵 detective: sleuth, private eye
👸 princess: royal girl, queen
🤴 prince: royal boy, young king
🥷 ninja: masked assassin, stealthy fighter
🦸 superhero: caped crusader, masked saviour
🧙 wizard: sorcerer, bearded magician
🧚 fairy: pixie, winged sprite
🧛 vampire: Dracula, bloodsucker
🧜 mermaid: siren, half woman half fish
🧟 zombie: undead monster, walking corpse
🎅 Santa Claus: Father Christmas, Saint Nick
⛄☃ snowman: frosty figure, icy man with a hat
🤖 robot: android, mechanical man
👻 ghost: spook, spirit, white phantom
👽👾 alien: extraterrestrial, little green being
🤡 clown: circus joker, jester
💀☠ skull: bony head, skeleton
👼 angel: cherub, little heavenly being
🧞 genie: djinn, spirit of the lamp
🏃 runner: jogger, sprinter
💃 dancer: lady in a red dress, flamenco performer
🧘 yogi: meditating person, yoga teacher
"""

_GESTURES = """
🤷 shrugging person: someone who does not know, clueless gesture, don't-care pose
🤦 facepalm: embarrassed human hiding the eyes, hand on the forehead
🙅 person saying no: refusing human, pose with crossed arms, denied gesture
🙆 person saying OK: agreeing human, approving pose with arms overhead
🙋 person raising a hand: volunteer, human who wants to be picked
🙇 bowing person: apologetic human, I am sorry gesture
"""

_FACES = """
😀😃😄 smiling face: happy emoji, cheerful grin
😂🤣 face with tears of joy: crying laughing emoji, LOL, hilarious smiley
😭 sobbing face: bawling emoji, weeping smiley
🙁😞 sad face: unhappy emoji, frowning smiley
😡😠 angry face: furious emoji, mad red smiley
😍🥰 face in love: heart-eyed emoji, smitten smiley
😘 face blowing a kiss: smooching emoji, mwah
😉 winking face: flirty emoji, cheeky one-eyed smiley
🤔 thinking face: pondering emoji, hmm
😴 sleeping face: snoring emoji, sleepy smiley
😎 cool face: emoji in shades, smug smiley with sunglasses
😱 screaming face: shocked emoji, terrified smiley
🤯 exploding head: mind blown emoji, brain bursting smiley
🥳 partying face: birthday emoji, celebrating smiley in a hat
🤢🤮 sick face: nauseous green emoji, disgusted smiley
😐😑 bored face: unimpressed emoji, deadpan look, meh
🙄 face with rolling eyes: annoyed emoji, sarcastic whatever look
🥱 yawning face: tired emoji, exhausted smiley
🤑 money face: greedy emoji, smiley with dollar eyes
🤓 nerd face: geeky emoji, clever smiley with spectacles
🤩 star-struck face: amazed emoji, wow
🤫 shushing face: be quiet emoji, silence smiley
🙃 upside-down face: ironic emoji, inverted smiley
🥵 hot face: sweating red emoji, overheated smiley
🥶 cold face: freezing blue emoji, shivering smiley
😵 dizzy face: knocked out emoji, confused smiley
🤗 hugging face: friendly cuddling emoji, embracing smiley
🥺 pleading face: begging emoji, puppy-eyed smiley
😈 grinning devil: purple demon emoji, horned imp
😬 grimacing face: awkward emoji, cringing smiley
"""

_SIGNS = """
👍 thumbs up: like button, well done gesture, approval
👎 thumbs down: dislike button, bad rating, disapproval
👏 pair of clapping hands: applause, bravo
🙏 pair of praying hands: thank you, please gesture, gratitude
✋🖐 high five: raised open palm, stop gesture
👌 OK hand: perfect sign, okay gesture
💪 flexed arm: strong biceps, muscle power
🤞 pair of crossed fingers: good luck gesture, hopeful pose
✌ victory hand: peace sign, two finger salute
🤝 handshake: deal, agreement gesture
👋 waving hand: goodbye, hello gesture
👊 fist bump: punch, knuckle greeting
🤘 rock-on hand: sign of the horns, heavy metal gesture
👀 pair of eyes: staring look, watchful gaze
❤ red heart: love symbol, valentine
💔 broken heart: heartache symbol, sad breakup
💯 perfect score: flawless result, one hundred points sign
✅ check mark: green tick, yes symbol, correct answer
❌ red cross: wrong answer, big X, no symbol
❓ question mark: what, confused punctuation sign
❗ exclamation mark: warning punctuation sign, attention symbol
💩 pile of poo: turd, smiling dung heap
🧠 brain: pink mind, big intelligence organ
🎉 party popper: confetti cannon, congratulations, hooray
👉 pointing finger: look-there gesture, index indicating sideways
"""

_VEHICLES = """
🚗🚙 car: automobile, motor vehicle
🚌 bus: coach, public transport
🚚🚛 lorry: truck, delivery wagon
🚒 fire engine: rescue brigade truck, firefighter vehicle
🚓 police car: cop cruiser, patrol vehicle
🚑 ambulance: medical emergency van, paramedic vehicle
🚜 tractor: farm machine, agricultural vehicle
🏎 racing car: Formula One bolide, fast sports automobile
🏍 motorbike: motorcycle, Harley
🚲 bicycle: bike, two-wheeled pedal cycle
🚂 train: locomotive, steam engine
⛵ sailing boat: yacht, dinghy
🚢 ship: cruise liner, ocean steamer
"""

_AIRCRAFT = """
🚀 rocket: spaceship, space shuttle
✈🛩 plane: jet, airliner
🚁 helicopter: chopper, whirlybird
🛸 flying saucer: UFO, alien craft
🎈 balloon: inflated red party decoration, helium bubble on a string
🪂 parachute: skydiving canopy, paraglider
"""

_FOOD = """
🍕 pizza: slice of pepperoni, Italian fast food
🍔 burger: cheeseburger, beef patty in a bun
🍟 box of fries: bag of chips, portion of fried potato sticks
🌭 hot dog: frankfurter, sausage in a bun
🌮 taco: filled tortilla, Mexican snack
🍩 doughnut: donut, glazed ring
🍪 cookie: biscuit, chocolate chip treat
🎂 birthday cake: gateau, torte with candles
🧁 cupcake: muffin, little frosted bun
🍦🍨 ice cream: gelato, frozen dessert in a cone
🍎 apple: red fruit, Granny Smith
🍌 banana: yellow fruit, curved tropical snack
🍓 strawberry: red berry, sweet summer fruit
🍉 watermelon: juicy green melon, slice of red fruit
🍍 pineapple: spiky tropical fruit, ananas
🥑 avocado: guacamole ingredient, green stone fruit
🥕 carrot: orange root, crunchy vegetable
🧀 cheese: cheddar, Swiss dairy wedge
🍳 fried egg: breakfast in a pan, sunny side up
🍞 bread: loaf, toast
🍣 sushi: Japanese raw salmon on rice, nigiri
🍿 bag of popcorn: cinema snack, bucket of popped maize
🍫 chocolate bar: cocoa candy, sweet brown tablet
🍭 lollipop: candy on a stick, swirly sweet
☕ cup of coffee: hot espresso, mug of java
🍺🍻 beer: pint of lager, mug of ale
🍷 glass of wine: Merlot, red drink
🍄 mushroom: toadstool, spotted red fungus
🎃 pumpkin: jack-o'-lantern, Halloween gourd
"""

_THINGS = """
⚽ football: soccer ball, black and white kicking sphere
🏀 basketball: orange bouncing sphere, hoops ball
🎸 guitar: six-string, electric rock instrument
🥁 drum: snare, percussion instrument
⏰ alarm clock: ringing timepiece, morning wake-up bell
💻 laptop: computer, notebook PC
📱 phone: mobile, smartphone
📺 television: TV set, telly
📷📸 camera: photo apparatus, picture-taking device
📚📖 book: novel, reading matter
💡 light bulb: glowing lamp, bright idea
🎁 present: gift, wrapped surprise
👑 crown: royal headpiece, golden tiara
💎 diamond: gemstone, sparkling jewel
🏆 trophy: winner's cup, golden prize
💣 bomb: explosive, black ball with a fuse
💰 money bag: sack of cash, fortune in dollars
🧸 teddy bear: plush toy, cuddly stuffed animal
🏠🏡 house: home, cottage
🌳 tree: oak, leafy plant
🌴 palm: coconut plant, tropical tree
🎄 Christmas tree: decorated fir, festive pine
🌵 cactus: prickly desert plant, saguaro
🌹 rose: red flower, romantic bloom
🌻 sunflower: big yellow blossom, tall daisy
⭐🌟 star: golden pentagram, bright celestial body
🌞 sun: solar disc, bright daytime star
🌜🌛 moon: lunar crescent, night lantern
☁ cloud: white fluff in the sky, cumulus
🌈 rainbow: colourful arc, spectrum in the sky
🌪 tornado: twister, whirlwind
❄ snowflake: ice crystal, winter symbol
🔥 fire: burning flame, blaze
🪨 rock: stone, boulder
🪑 chair: seat, wooden stool
🛏 bed: mattress, sleeping place
📦 box: cardboard parcel, carton
🪵 log: tree trunk, piece of timber
🛹 skateboard: deck on four wheels, skater's plank
🎩 top hat: tall black headpiece, magician's cylinder
🚽 toilet: loo, white lavatory
🧻 toilet paper: bog roll, white bathroom tissue
🌍🌎 globe: Earth, blue planet
🛒 shopping trolley: supermarket cart, grocery basket on wheels
🛋 sofa: couch, settee
"""

SUBJECTS: tuple[Subject, ...] = (
    *_subjects(Kind.ANIMAL, _ANIMALS),
    *_subjects(Kind.PERSON, _PEOPLE),
    *_subjects(Kind.GESTURE, _GESTURES),
    *_subjects(Kind.FACE, _FACES),
    *_subjects(Kind.SIGN, _SIGNS),
    *_subjects(Kind.VEHICLE, _VEHICLES),
    *_subjects(Kind.AIRCRAFT, _AIRCRAFT),
    *_subjects(Kind.FOOD, _FOOD),
    *_subjects(Kind.THING, _THINGS),
)
SUBJECTS_BY_NAME: dict[str, Subject] = {subject.name: subject for subject in SUBJECTS}
