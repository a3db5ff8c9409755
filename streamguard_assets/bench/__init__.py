"""Speed and size, said as ratios: each figure against a peer or a limit, measured in the same run."""
