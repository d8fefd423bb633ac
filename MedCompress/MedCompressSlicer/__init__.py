"""What the modules of MedCompress share of the scene. Takes and returns MRML nodes; opens no dialog but for packages."""
