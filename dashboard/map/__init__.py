"""The embeddings as a map.

view     the page's sections
choice   the clips under the lasso, and what colours the map
figures  `map_figure`, `locator`
words    `about_map`, `about_neighbours`
"""
