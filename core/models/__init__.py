"""The networks: tensors in, a named tuple out. They know no files, no runs and no training.

build          `build`: an untrained model of a kind, in the sizes the config gives
normalise      `Normalise`: statistics of the training split that travel with the weights
autoencoder    `MultiTaskAutoencoder`
cnn            `CNN`
transformer    `ASTTransformerEncoder`: the pretrained AST, or a small one of the same make
pretrained     `load_backbone`: where AST's weights come from
classifiers    `ae_classifier`, `transformer_classifier`: on an embedding each
fine_spectrum  `FineSpectrumClassifier`: linear, so that its verdict can be read off
hybrid         `HybridClassifier`, `ThreeWayClassifier`: fusion by attention
attribution    `attention_map`, `artefact_view`: what in a clip moved a model
"""
