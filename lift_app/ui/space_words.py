"""What a reader sees in the browser on a Space, or where visitors share an app. Data only."""

from __future__ import annotations

from lift_app.ui.words import WELCOME_STEPS

DUPLICATE = "Duplicate this Space"
YOUR_USE = (
    "You may ask {questions} questions a minute, and learn what takes up to {minutes} minutes."
)

# Where a GPU is lent in slices
YOUR_MINUTES = (
    "Learning and answers use your own GPU minutes of the hub, up to {seconds} seconds at a time."
)
KEEP_OPEN = (
    "Keep this page open: it is learned on your own GPU minutes, and closing the page pauses it. "
    "Nothing is lost then."
)
WELCOME_STEPS_IN_SLICES = (
    ("Add", "Drop a file. It stays on your shelf."),
    (
        "Learn",
        "Let the model learn it while this page is open. Closing it pauses; nothing is lost.",
    ),
    WELCOME_STEPS[2],
)
