"""Where the fusion and the transformer looked.

view     the page's sections
words    `looked_and_decided`, `concentration`
figures  `weights_chart`, `removal_chart`, `map_chart`
"""
