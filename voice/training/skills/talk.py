"""Small talk: greetings, who Parley is, thanks and goodbyes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Split, Turn


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing people say, its phrasings and the reply."""

    phrasings: Phrasings
    reply: str


HELLO = Intent(
    Phrasings.of(
        """
        hello (there|parley|my friend|everyone|again|computer|)
        hello hello
        (oh|well|um|) hello (parley|)
        hi (there|parley|my friend|everyone|again|)
        hey (there|parley|you|)
        (hi|hello) (it is|it's) me (again|)
        (hello|hi|hey) (nice|good) to meet you (parley|)
        (hello|hi|hey) how do you do
        (hello|hi) are you there
        (hello|hi|hey) can you hear me
        (hello|hi|hey) (i am|i'm) here
        (hello|hi|hey) nice to (see|hear) you
        (hello|hi|hey) is (anyone|anybody) there
        (oh|) it's (nice|good) to (see|meet) you
        """,
        """
        greetings (parley|)
        hello dear assistant
        hi assistant
        hello to you
        hey hello (there|)
        (well|oh) hi there
        """,
        "hello",
    ),
    "Hello! How can I help you?",
)
MORNING = Intent(
    Phrasings.of(
        """
        (|||hello|hi|hey|oh) good morning (parley|to you|my friend|everyone|there|)
        (a|) very good morning (to you|parley|)
        """,
        """
        good morning (assistant|dear parley)
        (hello and|) a good morning to you
        """,
        "good_morning",
    ),
    "Good morning! How can I help you?",
)
AFTERNOON = Intent(
    Phrasings.of(
        """
        (|||hello|hi|hey|oh) good afternoon (parley|to you|my friend|everyone|there|)
        (a|) very good afternoon (to you|parley|)
        """,
        """
        good afternoon (assistant|dear parley)
        (hello and|) a good afternoon to you
        """,
        "good_afternoon",
    ),
    "Good afternoon! How can I help you?",
)
EVENING = Intent(
    Phrasings.of(
        """
        (|||hello|hi|hey|oh) good evening (parley|to you|my friend|everyone|there|)
        (a|) very good evening (to you|parley|)
        """,
        """
        good evening (assistant|dear parley)
        (hello and|) a good evening to you
        """,
        "good_evening",
    ),
    "Good evening! How can I help you?",
)
HOW_ARE_YOU = Intent(
    Phrasings.of(
        """
        (|||hello|hi|hey|so|hello parley|hi there) how are you (doing|feeling|) (today|parley|)
        (|||hello|hi|hey|so|hello parley|hi there) how is it going (today|)
        (|||hello|hi|hey|so) how's it going (today|)
        (|||hello|hi|hey|so) how do you feel (today|)
        (|||hello|hi|hey|so) how is your day (going|)
        (hello|hi|hey|) are you (okay|well|fine|all right|feeling well) (today|)
        (|||hello|hi|hey|so) how are you my friend
        (|||hello|hi|hey|so) how do you do today
        (|||hello|hi|hey|so) how was your day
        (hello|hi|hey|) i am fine how are you
        (hello|hi|hey|) i hope you are (well|fine)
        """,
        """
        (hello|hi|hey|) how are things (today|)
        (hello|hi|hey|) how have you been
        (hello|hi|hey|) how are you this (morning|evening)
        (hello|hi|hey|) is everything okay with you
        (hello|hi|hey|) are you doing well
        """,
        "how_are_you",
    ),
    "I am fine, thank you.",
)
NAME = Intent(
    Phrasings.of(
        """
        <q> what is your name <end>
        <q> what's your name <end>
        <ask> (what your name is|your name)
        <do> (say|tell me) your name <end>
        <q> what are you called
        <q> who are you <end>
        <q> who is this
        <q> who am i (talking|speaking) (to|with)
        <ask> who you are
        <q> who am i talking to
        <do> introduce yourself <end>
        <q> do you have a name
        <q> what is the name of this assistant
        <do> tell me who you are
        <do> tell me something about yourself
        <hey> i don't know your name
        <hey> your name (please|)
        <hey> parley (is that|is this) your name
        """,
        """
        <q> what should i call you
        <q> what do (people|they) call you
        <q> who exactly are you
        <do> give me your name
        <hey> may i ask your name
        <q> which name do you have
        <do> say who you are
        <q> with whom am i speaking
        <q> how may i call you
        """,
        "name",
    ),
    "I am Parley, a small voice assistant.",
)
WHAT_ARE_YOU = Intent(
    Phrasings.of(
        """
        <q> what are you
        <q> are you a (robot|human|person|computer|machine|real person|program)
        <q> what kind of (assistant|thing|program|robot) are you
        <ask> what you are
        <q> are you real
        """,
        """
        <q> am i talking to a (robot|machine|person|human|computer)
        <q> what sort of (assistant|program) are you
        <q> are you an assistant
        <hey> you are a (robot|machine|computer) right
        """,
        "what_are_you",
    ),
    "I am Parley, a small voice assistant.",
)
ABILITIES = Intent(
    Phrasings.of(
        """
        <q> what can you do (for me|)
        <q> what can i ask you
        <ask> what you can do
        <q> how can you help me
        <q> what do you know
        <q> what are you able to do
        <q> what (things|kinds of things) can you do
        <q> what are you good at
        <q> what are your skills
        <do> tell me what you can do
        <do> tell me what i can ask you
        <do> help me
        <hey> i need help
        <q> what do you do
        <q> what kind of questions can i ask (you|)
        """,
        """
        <q> what are your abilities
        <q> what sort of things can you do
        <q> what could you help me with
        <q> which questions can you answer
        <q> how could you help me
        <hey> what would you be able to do for me
        """,
        "abilities",
    ),
    "I can calculate, spell, repeat, name capitals and opposites.",
)
THANKS = Intent(
    Phrasings.of(
        """
        (|||okay|oh|great|good|well|perfect) thank you (very much|so much|parley|again|)
        (|||okay|oh|great|good|well|perfect|nice) thanks (a lot|so much|parley|again|very much|)
        (okay|) many thanks (parley|)
        (okay|) thank you for (your help|the answer|that|helping me|everything)
        (okay|) thanks for (your help|the answer|that|helping me|everything)
        (that is|that's|you are) (very|so) (kind|helpful) thank you
        (i|we) thank you (very much|so much|)
        that was (helpful|great|good|very helpful) (thank you|thanks)
        (yes|no) thank you (very much|that is all|)
        i want to thank you
        great (job|work) (thank you|thanks)
        thank you thank you
        thanks parley you are (great|the best|very kind)
        (thank you|thanks) (that was|that's) (exactly|just|) what i (needed|wanted)
        thank you for (talking|speaking) (to|with) me
        thank you for (the|your) (great|good|quick|nice) answer
        (very|so) (nice|good|kind) of you (thank you|thanks)
        good (job|work) parley (thank you|thanks)
        i want to say thank you
        """,
        """
        i (really|) appreciate (it|your help|that)
        thank you indeed
        thanks a million
        thank you kindly
        i am (very|so|) grateful
        thanks for answering (me|my question)
        that helped (me|) a lot
        i owe you one
        thanks this is very useful
        many many thanks
        """,
        "thanks",
    ),
    "You are welcome.",
)
GOODBYE = Intent(
    Phrasings.of(
        """
        (|||okay|well|thanks|thank you|alright) goodbye (parley|for now|my friend|everyone|)
        (|||okay|well|thanks|thank you|alright) bye (bye|parley|for now|)
        (|||okay|well|alright|bye) see you (later|soon|tomorrow|next time|again|)
        (|||okay|well|alright) good night (parley|my friend|)
        (|okay|well|bye) have a (nice|good|great) (day|evening|weekend|time)
        (|okay|well) i (have to|must|need to) (go|leave) (now|)
        (|okay|well) i am (leaving|going) (now|)
        (|okay|well|bye) talk to you (later|soon)
        (|okay|well) that is all (for today|for now|) (bye|goodbye)
        (|okay|well) until (next time|tomorrow|later)
        (|okay|well) let's talk (again|) (later|tomorrow)
        take care (bye|goodbye|)
        (|okay) catch you later
        (|okay|well) goodbye and (thank you|thanks|good night)
        (|okay|well) (thank you|thanks) and goodbye
        (|okay|well) i (will|must) say good night
        (|okay|well) i am going (home|to bed|to sleep)
        (|okay|well) we are done (for today|for now|) (bye|goodbye|)
        (|okay|well) see you
        """,
        """
        farewell (parley|my friend|)
        so long (parley|)
        (i will|i'll) (see|talk to) you (later|tomorrow)
        (it is|it's) time to (go|leave|say goodbye)
        i (will|want to) say goodbye (now|)
        (i'm|i am) off now
        bye and take care
        good night and sleep well
        that's it for today bye
        i will leave you now
        """,
        "goodbye",
    ),
    "Goodbye!",
)

INTENTS = {
    "greeting": (HELLO, HELLO, MORNING, AFTERNOON, EVENING, HOW_ARE_YOU, HOW_ARE_YOU),
    "identity": (NAME, NAME, WHAT_ARE_YOU, ABILITIES),
    "thanks": (THANKS,),
    "goodbye": (GOODBYE,),
}


def _sample(skill: str, rng: random.Random, split: Split) -> Turn:
    intent = rng.choice(INTENTS[skill])
    return Turn(intent.phrasings.sample(rng, split), intent.reply, skill)


def sample_greeting(rng: random.Random, split: Split) -> Turn:
    """Hello, the times of day, how are you."""
    return _sample("greeting", rng, split)


def sample_identity(rng: random.Random, split: Split) -> Turn:
    """Who Parley is and what it can do."""
    return _sample("identity", rng, split)


def sample_thanks(rng: random.Random, split: Split) -> Turn:
    """Thanks."""
    return _sample("thanks", rng, split)


def sample_goodbye(rng: random.Random, split: Split) -> Turn:
    """The end of a conversation."""
    return _sample("goodbye", rng, split)
