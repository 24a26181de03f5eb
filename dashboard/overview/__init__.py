"""The first page: what was tested, how good it is, what may not be claimed.

view     the page's sections
words    `verdict`, `cards`
limits   `limits`: what may not be claimed
figures  `auc_chart`, `recall_chart`
"""
