"""The parameter count of every network, reckoned by hand."""

# From the reports' tables, layer listings and texts (000 Table 1, 001 Models, 002 section 4,
# 003 LeNet-5, 004 sections 3.1, 4.5 and 5).
PARAMETERS = {
    'fcn': 478_410,
    'ann': 535_818,
    'lenet5': 61_706,
    'simple_cnn': 73_146,
    'cnn_1': 4_048_010,
    'cnn_2': 4_048_714,
    'cnn_3': 4_048_714,
    'cnn_4': 65_994,
    'cnn_5': 1_853_002,
    'mobilenet': 3_217_226,
    'simplified_mobilenet': 136_778,
    'small_resnet': 77_754,  # by hand: 176 + 4,672 + 14,528 + 57,728 + 650
    'speed_net': 385_534,  # by hand: 180 + 14,528 + 110,976 + 258,560 + 1,290
    'inception_net': 68_826,  # by hand: 176 + 9,552 + 18,144 + 39,984 + 970
    'dense_net': 64_600,  # by hand: 132 + 13,056 + 1,860 + 20,832 + 3,120 + 24,720 + 880
    'base_cnn': 28_394,
    'tuned_cnn': 1_030_218,
}
