"""A run in, one HTML file out that opens offline.

document  `build`: puts it together from report.html and report.css
examples  `choose`, `show`: clips to hear
media     `sound_bytes`, `figure`: sounds and pictures, small enough to travel
prose     `html_of`: the pages' Markdown as HTML
tables    `phase_rows`, `setting_rows`
"""
