"""The user's own sound: from an upload to a verdict, its evidence and what changes it.

view      the page's sections
session   `Given`: this session's sound and what was made of it, nobody else's
models    `answer`, `evidence`: the run's models, loaded once for all sessions
portrait  `Portrait`: the whole file at a glance
window    `show`: the window looked at
stress    `CHANGES`: what may be done to the window's sound, and what the detectors say then
near      `training_clips`, `on_map`: the clips that are like it
figures   `timeline`: the windows' scores over time
words     `headline`, `meaning`, `warnings`
export    `as_json`, `as_html`
"""
