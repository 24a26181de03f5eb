"""Whether it is music or the file format that tells; changed sound, generators never heard, other seeds.

words    `music_or_file`, `never_heard`, `after_changes`, `luck`
tables   rows for each of these
figures  `shortcut_chart`, `source_chart`, `change_chart`, `seed_chart`
"""
