"""News headlines and sentences drawn from a small grammar, and texts altered by a word.

The corpus has captions, comments and definitions, but nothing of the kind that newspapers write; and sentences that
differ in one word hardly occur in it, though telling those apart is what a likeness of sentences is for. The teacher
gives both kinds their vectors, so what they say need not be true.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

_LISTS = {
    "country": "US|China|Russia|Ukraine|India|Pakistan|Iran|Iraq|Syria|Israel|Egypt|Turkey|France|Germany|Britain|Spain|"
    "Italy|Greece|Poland|Japan|South Korea|North Korea|Brazil|Mexico|Canada|Australia|Nigeria|Kenya|South Africa|Libya|"
    "Afghanistan|Yemen|Lebanon|Saudi Arabia|Indonesia|Thailand|Vietnam|Philippines|Venezuela|Cuba|Argentina|Chile|"
    "Colombia|Peru|Sweden|Norway|Ireland|Hungary|Mali|Sudan|Somalia|Congo|Bangladesh|Nepal|Sri Lanka|Myanmar",
    "place": "London|Paris|Berlin|Moscow|Kiev|Cairo|Baghdad|Damascus|Gaza|Beirut|Kabul|Delhi|Mumbai|Beijing|Shanghai|"
    "Tokyo|Seoul|Bangkok|Jakarta|Manila|Sydney|New York|Washington|Chicago|Boston|Texas|Florida|California|Ohio|Toronto|"
    "Mexico City|Rio de Janeiro|Lagos|Nairobi|Cape Town|Athens|Rome|Madrid|Istanbul|Dublin|Brussels|Geneva",
    "firm": "Google|Apple|Microsoft|Amazon|Facebook|Twitter|Intel|IBM|Oracle|Sony|Samsung|Toyota|Ford|General Motors|"
    "Boeing|Airbus|Shell|BP|Walmart|Nokia|the bank|the airline|the carmaker|the drugmaker|the retailer|the company",
    "office": "president|prime minister|foreign minister|finance minister|king|pope|mayor|governor|senator|ambassador|"
    "opposition leader|army chief|police chief|central bank governor|chief executive|spokesman|judge|attorney general",
    "body": "parliament|the Senate|the court|the Supreme Court|the UN|the EU|NATO|the government|the central bank|police|"
    "the army|rebels|militants|prosecutors|unions|officials|lawmakers|the White House|the opposition|regulators",
    "disaster": "earthquake|quake|flood|floods|storm|hurricane|typhoon|tornado|wildfire|landslide|explosion|blast|fire|"
    "bus crash|plane crash|train crash|car bomb|bomb attack|suicide attack|shooting|air strike|ferry accident|mine collapse",
    "harm": "killed|dead|injured|hurt|wounded|missing|feared dead|evacuated|rescued|trapped|arrested|detained",
    "topic": "climate change|gas supplies|nuclear programme|trade|tariffs|immigration|health care|gun control|the budget|"
    "taxes|interest rates|the ceasefire|sanctions|elections|border security|chemical weapons|privacy|corruption|oil prices|"
    "human rights|gay marriage|abortion|education|prison reform|the debt crisis|a peace deal|military aid|drone strikes",
    "act": "rejects|approves|backs|opposes|delays|supports|criticises|defends|discusses|blocks|passes|welcomes|condemns|"
    "votes on|calls for talks on|warns about|threatens action over|agrees on|splits over|denies claims about",
    "move": "rise|fall|jump|drop|surge|plunge|edge higher|slip|close higher|end lower|rebound|tumble|hold steady|gain|slide",
    "market": "Stocks|Wall Street shares|Asian markets|European shares|Oil prices|Gold prices|Bond yields|House prices|"
    "Car sales|Retail sales|Exports|Jobless claims|Profits|Shares of {firm}|Tokyo stocks|Bank shares|Tech stocks",
    "reason": "on strong earnings|after jobs report|on growth fears|amid {topic} talks|after Fed decision|on profit taking|"
    "for a third day|to record high|to lowest in a year|as investors wait|after weak data|in early trading",
    "number": "2|3|4|5|6|7|8|9|10|11|12|15|17|18|20|22|25|30|34|40|45|50|60|70|80|100|150|200|300|500|1,000|2,000",
    "crime": "murder|fraud|theft|bribery|rape|assault|kidnapping|spying|tax evasion|drug trafficking|manslaughter|arson|"
    "hacking|money laundering|war crimes|terrorism|insider trading|perjury",
    "verdict": "found guilty of|cleared of|charged with|jailed for|accused of|arrested over|on trial for|convicted of|"
    "acquitted of|investigated for|extradited over|questioned about",
    "person": "Man|Woman|Teenager|Teacher|Doctor|Soldier|Former minister|Singer|Actor|Footballer|Journalist|Student|Pilot|"
    "Police officer|Businessman|Banker|Priest|Mother of three|US soldier|Brothers|Couple|Gunman",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|last week|last month|this year|in March|in July",
    "team": "Manchester United|Chelsea|Real Madrid|Barcelona|Bayern Munich|the Yankees|the Red Sox|the Lakers|{country}",
    "result": "beat|lose to|draw with|thrash|edge past|knock out|face|defeat|stun",
    "cup": "World Cup|final|semi-final|league opener|friendly|play-off|qualifier|Olympic final|derby",
    "product": "phone|tablet|car|plane|search engine|operating system|drug|game console|laptop|chip|service|vaccine",
    "plan": "cut|create|hire|lay off|move|add",
    "change": "raises|cuts|keeps|doubles|lowers|lifts|reviews",
    "thing": "interest rates|profit forecast|dividend|prices|its stake in {firm}|fuel prices|fares|growth forecast|wages",
    "deal": "buy|sell its stake in|merge with|sue|settle with|compete with|invest in|drop talks with",
    "said": "said|told reporters|announced|confirmed|denied|warned|admitted|insisted|predicted",
}

_TEMPLATES = """{number} {harm} in {country} {disaster}
At least {number} {harm} in {disaster} in {place}
{disaster} in {place} leaves {number} {harm}
{disaster} hits {country}
{disaster} kills {number} near {place}
{country} {office} {act} {topic}
{body} {act} {topic}
{country}, {country} to hold talks on {topic}
{country} and {country} sign deal on {topic}
{country} accuses {country} of {crime}
{market} {move} {reason}
{market} {move}
{person} {verdict} {crime}
{person} {verdict} {crime} in {place}
{country} {office} resigns over {topic}
{country} {office} visits {place}
{country} {office} dies at {number}
{team} {result} {team} in {cup}
{firm} unveils new {product}
{firm} to {plan} {number} jobs in {country}
{firm} {change} {thing}
{firm} to {deal} {firm}
Protesters in {place} demand action on {topic}
Police clash with protesters in {place}
{body} {said} on {day} that {number} people were {harm} in the {disaster}.
The {office} {said} on {day} that talks about {topic} would continue.
The {office} of {country} {said} that {body} {act} {topic}.
{firm} {said} on {day} that it would {plan} {number} jobs at its plant in {place}.
A {person} from {place} was {verdict} {crime} on {day}.
Shares of {firm} {move} {number} percent on {day}, {reason}.
{number} people were {harm} when a {disaster} struck {place} on {day}.
{firm} reported a quarterly profit of ${number} million, up from ${number} million a year earlier.
{firm} reported a loss of ${number} million in the quarter.
The {disaster} was the worst in {country} for {number} years, {body} said.""".splitlines()

_SLOT = re.compile(r"{(\w+)}")
_CHOICES = {name: tuple(words.split("|")) for name, words in _LISTS.items()}


def headlines(count: int, rng: random.Random) -> Iterator[str]:
    """``count`` lines in groups of two or three that share a template and most of their words."""
    made = 0
    while made < count:
        template = rng.choice(_TEMPLATES)
        slots = _SLOT.findall(template)
        words = [rng.choice(_CHOICES[slot]) for slot in slots]
        for _ in range(min(rng.choice((2, 3)), count - made)):
            yield _filled(template, words, rng)
            made += 1
            place = rng.randrange(len(slots))
            words[place] = rng.choice(_CHOICES[slots[place]])


def altered(texts: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """``count`` of the texts with one word replaced by another of the same ending (so mostly of the same kind), or
    with a word or two left out."""
    pools: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in text.split():
            if len(word) > 2 and word.isalpha():
                pools[word[-2:]].append(word)
    for text in rng.choices(texts, k=count):
        words = text.split()
        if len(words) < 3:
            continue
        place = rng.randrange(len(words))
        if rng.random() < 0.7 and (pool := pools.get(words[place][-2:])):
            words[place] = rng.choice(pool)
        else:
            del words[place : place + rng.choice((1, 2))]
        yield " ".join(words)


def _filled(template: str, words: Sequence[str], rng: random.Random) -> str:
    iterator = iter(words)
    line = _SLOT.sub(lambda match: next(iterator), template)
    line = _SLOT.sub(lambda match: rng.choice(_CHOICES[match[1]]), line)
    return line[0].upper() + line[1:]
