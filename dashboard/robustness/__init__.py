"""Whether it is music or the file format that tells; changed sound, generators never heard, other seeds.

view     the page's sections, one per question
words    the answers, rows of tables and alternatives: `music_or_file`, `never_heard`, `after_changes`, `luck`
figures  `shortcut_chart`, `source_chart`, `change_chart`, `seed_chart`
"""
