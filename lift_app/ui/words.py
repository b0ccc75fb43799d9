"""Every English string that a reader sees in the browser, and how numbers are said.

Data and phrasing only: no components, no HTML, no Reader. Those of a Space: `space_words`.
"""

from __future__ import annotations

APP = "LIFT Reader"

# Panes and landmarks
SHELF = "Shelf"
BOOK = "Book"
ASK = "Ask"
PANES = "Parts of the reading room"
THEME = "Light or dark"

# Shelf
ADD_BOOK = "Add a book"
DROP = "Drop a book here or click to choose"
DROP_KINDS = "PDF, EPUB, Word, HTML, Markdown or plain text"
SHELF_EMPTY = "No books yet."
SAMPLE = "Open the sample book"
SAMPLE_NAME = "the sample book"
READING_FILE = "Reading {name} …"
ADDED = "“{title}” is on the shelf."
ALREADY_THERE = "“{title}” was already on the shelf."
NOT_LEARNED = "not learned"
LEARNED = "learned"
LEARNING = "learning {percent} %"
QUEUED = "waiting for its turn"
PAUSED = "paused at {percent} %"
FAILED = "stopped by a problem"

# Welcome
OPENING = "Opening the reading room …"
WELCOME_TITLE = "A quiet place to read with a model that has learned the book"
WELCOME = "Put a book on the shelf and ask at once; every answer names the pages it rests on."
WELCOME_STEPS = (
    ("Add", "Drop a file. It stays on this machine."),
    ("Learn", "Let the model learn it. You may close the page meanwhile; it goes on."),
    ("Ask", "Click a citation to see the very sentence on its page."),
)
WELCOME_SAMPLE = "Nothing at hand? The sample book is a short story that no model has seen before."

# First steps
STEPS = "First steps"
STEPS_CLOSE = "Close the first steps"
STEP_DONE = "done"
STEP_ADDED = "The book is on the shelf."
STEP_LEARN = "A learned book is answered from memory, too."
STEP_LEARN_DO = "Choose how"
STEP_LEARNING = "It is being learned. You can already ask."
STEP_LEARNED = "It is learned."
STEP_RECORDED = "This one came learned already."
STEP_ASK = "Each answer names the sentence it rests on."
STEP_ASK_DO = "Ask a question"

# Replay
REPLAY = "Replay"
REPLAY_OFFER = "The sample book comes learned; on the machine that did it, that took {time}."
REPLAY_BEGIN = "Watch a replay"
REPLAY_END = "End the replay"
REPLAY_NOTE = (
    "A recording of how this book was learned: {time}, shown in {seconds} seconds, {pace} times "
    "as fast as it was. Nothing is being learned now."
)
REPLAY_MACHINE = "Recorded with: {machine}"

# Report
DESK = "About and learning"
PAGES = "pages"
PAGE_ONE = "page"
WORD_ONE = "word"
WORDS = "words"
TOKEN_ONE = "token"
TOKENS = "tokens"
ABOUT = "about {number}"
FOUND = "What I found in the file"
FORMAT = "Format"
ENCODING = "Encoding"
WITHOUT_TEXT = "Pages without text"
WITHOUT_TEXT_NONE = "none"
LEFT_OUT = "Left out"
WORTH_KNOWING = "Worth knowing"
READ_IN = "Read in"
CHAPTERS = "Contents"
BY = "by {author}"
FORMATS = {
    "pdf": "PDF",
    "epub": "EPUB",
    "text": "plain text",
    "markdown": "Markdown",
    "html": "HTML",
    "docx": "Word",
}

# Learning
HOW_THOROUGH = "How thoroughly should it be learned?"
LEARN = "Learn this book"
LEARN_AGAIN = "Learn again, another way"
RECIPE_TAKES = "{name}, about {time}"
RECIPE_SUGGESTED = "Suggested. {does}"
TASKS = "Also practise on questions about it (auxiliary tasks, AT)"
TASKS_NOTE = "Made from the book itself, they are learned, too. Takes up to twice as long."
MEMORY = "Needs about {size} of memory."
ASK_MEANWHILE = "You can also just ask now; passages are looked up for each question."
ON_THE_SHELF = "This book was already learned that way. Nothing to do."
PAUSE = "Pause"
RESUME = "Go on"
CANCEL = "Cancel"
RECIPES = {
    "quick": "Quick",
    "standard": "Standard",
    "deep": "Deep",
}
"""Recipes that are offered in the browser; the command line has all of them."""

# Lift
LIFT = "Learning"
STAGES = {
    "queued": "waiting",
    "model": "preparing the model",
    "loading": "preparing the model",
    "reading": "reading",
    "segments": "cutting into segments",
    "tasks": "writing questions",
    "training": "learning",
    "checking": "checking",
    "saving": "saving",
    "publishing": "saving",
    "done": "learned",
}
TRACK = (
    ("reading", "reading"),
    ("segments", "segments"),
    ("training", "learning"),
    ("checking", "checking"),
    ("done", "shelf"),
)
STATES = {
    "queued": "waiting for its turn",
    "paused": "paused",
    "cancelled": "cancelled",
    "failed": "stopped by a problem",
    "done": "learned",
}
WANTED = {"pause": "pausing after this step", "cancel": "cancelling"}
PERCENT = "{percent} %"
STEP_OF = "step {step} of {steps}"
SPEED = "{speed} tokens/s"
TIME_LEFT = "{time} left"
KEEPS_GOING = "You can close this page; it goes on. You can already ask."
PAUSED_NOTE = "Nothing is lost: it goes on from here when you say so."
QUEUED_NOTE = "Another book is being learned first. You can already ask with passages looked up."
CANCELLED_NOTE = "Learning was cancelled. The book itself is untouched."
LOSS = "How surprised it still is by the text"
LOSS_TERM = "loss"
LOSS_LABEL = "Loss from {first} at first to {last} now"

# Memory strip
STRIP = "The book as a ribbon"
STRIP_LABEL = "How well the book is known: {known} of {total} segments have been read"
STRIP_UNKNOWN = "not learned yet"
STRIP_STRONGER = "stronger = better known"
STRIP_GUARDED = (
    "; used at strength {strength:g} at most, so that nothing else is read noticeably worse"
)
STRIP_LEFT_OUT = "; left out of answers, because other things might be read worse"
CELL_UNKNOWN = "not learned"
CELL_KNOWN = "known {percent} % (loss {loss})"
PAGE_SHORT = "p. {first}"
PAGES_SHORT = "pp. {first}–{last}"
ANSWER_SAW = "The answer saw {percent} of the book."
ANSWER_SAW_REST = "The answer saw {percent} of the book; the rest can only come from memory."
ANSWER_MEMORY = "The answer saw nothing of the book: it is all from memory."
ANSWER_SAW_NOTHING = "The answer saw nothing of the book."
SAW_HEAD = "beginning"
SAW_TAIL = "end"
SAW_EVIDENCE = "passages"
SAW_CITED = "cited"

# Page
PAGE_OF = "page {label} of {pages}"
PAGE_NUMBERED = "page {label} ({number} of {pages})"
PAGE = "page"
PAGE_LABEL = "Page {label} of the book"
PAGE_TOP = "Pages, above"
PAGE_BOTTOM = "Pages, below"
WORDS_OF_PAGE = "Text of the printed page"
GO_TO_PAGE = "Go to page"
OF_PAGES = "of {pages}"
OF_PAGES_NUMBERED = "({number} of {pages})"
NO_SUCH_PAGE = "There is no page “{label}” in this book."
VIEW = "How pages are shown"
VIEW_PRINT = "as printed"
VIEW_TEXT = "as text"
PREVIOUS = "Previous page"
NEXT = "Next page"
NO_TEXT = "No text was found on this page."
CITED = "marked passage"
MARKED_HERE = "Marked on this page:"
MARK_UNCERTAIN = "The passage is on this page, but its place in the picture is not certain."
MARK_IN_TEXT = "Show it in the text"

# Search and selection
SEARCH = "Search in this book"
FOUND_LABEL = "Places found"
FOUND_ONE = "place has “{wanted}”"
FOUND_MANY = "places have “{wanted}”"
FOUND_ALL = "The words stand near each other, not as one phrase."
FOUND_ANY = "Not all of the words stand together anywhere; these places have one of them."
FOUND_MORE = "The first {shown} are listed."
FOUND_NOTHING = "“{wanted}” is not in this book."
FOUND_CLOSE = "Close"
ASK_ABOUT = "Ask about this"
ABOUT_BEFORE = "About “"
ABOUT_AFTER = "”: "

# Chat
ASK_THE_BOOK = "Ask the book"
QUESTION = "Your question"
QUESTION_HINT = "Ask about this book …"
SEND = "Ask"
STOP = "Stop"
STILL_ANSWERING = "An answer is still being written in this chat. Wait for it, or stop it."
NEW_CHAT = "New chat"
DELETE_CHAT = "Delete"
EXPORT = "Export"
CHAT_ONE = "chat"
CHAT_MANY = "chats"
STARTERS = "To begin with:"
AGAIN = "Answer again"
EDIT = "Edit question"
COPY = "copy"
COPIED = "Copied with its citations."
CLOSE = "Close"
UNTITLED = "New chat"
CHAT_EMPTY = "Ask anything about the book. Each answer quotes the sentences it rests on."
ARM = "Answer with"
ARMS = {
    "LIFT+ICL": "learned + excerpt (LIFT+ICL)",
    "ICL": "excerpt only (ICL)",
    "LIFT_only": "from memory (LIFT_only)",
}
ARM_PARTIAL = "It is still learning: answers use what it has learned so far."
LOOK_UP = "Look up passages"
STRENGTH = "Strength of what was learned"
STRENGTH_NOTE = (
    "1 = fully, 0 = not at all; left alone, no more than surely does little harm elsewhere"
)
THINKING = "Looking through the book …"
THINKING_MODEL = "The model is being prepared; the answer follows …"
NO_CITATION = "No sentence of the book could be quoted for this."
SOURCE = "p. {label}"
SOURCE_CHAPTER = "p. {label}, {chapter}"
SAW = "saw {tokens} tokens of the book"
SAW_NOTHING = "saw nothing of the book"
FIRST_WORD = "first word after {time}"
SPOKEN = "{speed} tokens/s"

# Comparison
COMPARE = "Compare answers"
COMPARE_UNLEARNED = "Only the excerpt can answer until the book is being learned."
COMPARE_PROGRESS = "{done} of {total} answers"
COMPARE_WAITING = "waits for its turn"
COMPARE_STOPPED = "stopped"
COMPARE_SAW = "saw {percent} of the book"
COMPARE_LEARNED = "and remembered"
WITHOUT_PASSAGES = "without passages"
WITH_PASSAGES = "with passages looked up"

# Removing
REMOVE = "Remove this book"
REMOVE_NOTE = "The file, everything learned from it and its chats are deleted from this machine."
REMOVE_YES = "Remove it for good"
REMOVED = "“{title}” was removed."

# Settings
SETTINGS = "Settings"
MODEL_HEADING = "The model that reads and answers"
MODEL = "Model"
MODEL_SIZE = "Size"
WINDOW = "sees {tokens} tokens at once"
RUNS_ON = "Runs on"
DEVICES = {"cpu": "the processor (CPU)", "cuda": "the graphics card (GPU)", "mps": "Apple silicon"}
WHY = "Because"
MODEL_NOW = "Now"
MODEL_CHANGE = (
    "Another model: start with LIFT_MODEL set to a name that “lift models” lists, or "
    "LIFT_PRECISION for another precision. What was learned with one model stays with it."
)
STORAGE = "Storage"
STORAGE_TOTAL = "{size} on this machine."
STORAGE_MODELS = "{size} of it are models, which all books share."
STORED_FILE = "book {size}"
STORED_LEARNED = "learned {size}"
STORED_IN = "Everything is kept in"
FORGET = "Forget what was learned"
FORGET_NOTE = "The adapter is deleted. The book and its chats stay; it can be learned again."
FORGET_YES = "Forget it"
REMOVE_ALL = "Remove every book"
REMOVE_ALL_NOTE = "All files, everything learned from them and all chats are deleted."
REMOVE_ALL_YES = "Remove them all for good"
PRIVACY = "Privacy"
PRIVACY_NOTE = "Books, questions and adapters stay on the app's own machine; nothing is sent out."

# Model
MODEL_ABSENT = "the model will be fetched when it is first needed"
MODEL_DOWNLOADING = "the model is being fetched"
MODEL_LOADING = "the model is being prepared"
MODEL_FAILED = "the model is not available"

# Visitors of a shared app
YOUR_SHELF = (
    "This shelf is yours alone, as long as this browser keeps its cookie: up to {books} books and "
    "{mb} MB, cleared after {days} days without use."
)
NO_PASS = "Open the page of this app first (with cookies allowed): it gives you a shelf."
NOT_YOURS = "This belongs to another visitor."
TOO_FAST = "Too many requests. Wait a few seconds."
UNHEARD = "Nobody has listened to what was asked for here. Listen first, then ask for more."
TOO_MANY_UPLOADS = "Other files are being sent. Send these after them."
TOO_LONG = "This is too long to be sent."
TOO_MANY_WINDOWS = "You listen to {most} windows already. Close some of them first."
TOO_MANY_PASSES = "Too many new visitors come from your network. Try again in a few minutes."

# Trouble
NOTE = "Please note"
UNEXPECTED = "Something went wrong that should not have. Your books are safe; the log says more."
NO_BOOK = "Choose a book on the shelf first."
PORT_TAKEN = (
    "Port {port} on {host} is taken by another program. Stop that one, or choose another port, "
    "for example LIFT_PORT={other}."
)
HOST_UNKNOWN = (
    "The address {host} is not one of this machine's. Set LIFT_HOST to 127.0.0.1 for this "
    "machine alone, or to 0.0.0.0 for every network it is on."
)


def whole(number: float) -> str:
    """A whole number with thousands separated: 124,000."""
    return f"{round(number):,}"


def count(number: int, one: str, many: str) -> str:
    """`1 page`, `212 pages`."""
    return f"{whole(number)} {one if number == 1 else many}"


def page_range(first: str, last: str) -> str:
    """`p. 41`, `pp. 41–43`."""
    if first == last:
        return PAGE_SHORT.format(first=first)
    return PAGES_SHORT.format(first=first, last=last)


def size(count: float) -> str:
    """Bytes as people say them: `420 KB`, `9.8 MB`, `1.2 GB`."""
    for unit in ("KB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}" if 0 < count < 10 else f"{round(count)} {unit}"
    return f"{count / 1000:.1f} GB"


def weights(parameters: float) -> str:
    """Weights of a model: `135 million weights`, `8.0 billion weights`."""
    if parameters < 1e9:
        return f"{round(parameters / 1e6)} million weights"
    return f"{parameters / 1e9:.1f} billion weights"


def percent(share: float) -> str:
    """A share as people say it: `less than 1 %`, `8 %`."""
    return "less than 1 %" if 0 < share < 0.01 else f"{round(100 * share)} %"


def source(label: object, chapter: object) -> str:
    """Where something stands in the book: `p. 41, The Storm`."""
    if chapter:
        return SOURCE_CHAPTER.format(label=label, chapter=chapter)
    return SOURCE.format(label=label)


def duration(seconds: float) -> str:
    """Seconds as people say them: `a few seconds`, `40 s`, `11 min`, `2 h 10 min`."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 55:
        return f"{5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def short_seconds(seconds: float) -> str:
    """A measured time: `0.4 s`, `12 s`, `3 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{round(seconds)} s" if seconds < 100 else duration(seconds)


def ranges(numbers: list[int]) -> str:
    """Page numbers with runs joined: `2, 5–7, 12`; long lists end in `and 9 more`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in runs[:8]]
    hidden = sum(b - a + 1 for a, b in runs[8:])
    return ", ".join(shown) + (f" and {whole(hidden)} more" if hidden else "")
