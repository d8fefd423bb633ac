"""U-Nets that segment CT and MR volumes: training, model files, segmentation; nothing here knows of compression.

Importing this package needs neither torch nor MONAI: they are imported where a network is built or run.
Arrays and patches are in order [k, j, i] ([j, i] in 2D); spacings are in order (i, j, k), in mm.
"""
