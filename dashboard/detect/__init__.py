"""The user's own sound: from an upload to a verdict, its evidence and what changes it.

view     the page's sections
session  `Given`: this session's sound and what was made of it, nobody else's
models   `answer`, `evidence`, `stress`: the run's models, loaded once for all sessions
song     `Portrait`: the whole file at a glance
window   `show`: the window looked at
near     `training_clips`, `on_map`: the clips that are like it
changes  `changed`: what may be done to it
figures  `timeline`: the windows' scores over time
words    `headline`, `meaning`, `warnings`
export   `as_json`, `as_html`
"""
