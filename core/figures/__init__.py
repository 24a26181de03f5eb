"""Results in, matplotlib figures out; nothing is computed here, and only `save_figures` writes.

style    colours, marks, paper
results  `plot_roc_curves`, `visualize_confusion_matrix`, `plot_tsne` ...: the prescribed figures
audit    `plot_robustness`, `plot_leave_out`, `plot_artefacts` ...
draw     `draw`: which figures a run gets
"""
