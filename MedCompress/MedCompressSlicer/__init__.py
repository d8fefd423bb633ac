"""What the modules share of the scene: takes and returns MRML nodes, opens no dialog but for packages."""
