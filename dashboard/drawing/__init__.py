"""Values in, picture out. Knows neither run nor session.

theme       colours, marks and names of the two classes
row_charts  charts in rows, as HTML
planes      pictures on two axes, as HTML
pictures    spectrograms, dots and lines, as PNG and SVG
tables      tables, as HTML
player    the player with its playhead: looks in player.css, behaviour in player.js
"""
