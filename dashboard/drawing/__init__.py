"""Values in, picture out. Knows neither run nor session.

theme     colours, marks and names of the two classes
row_charts  charts in rows, as HTML
planes    charts with two axes, as SVG
pictures  spectrograms and dots, as PNG
tables    tables, as HTML
player    the player with its playhead over the spectrogram
"""
