"""Downloads: over https alone, bounded, verified, and whole or not at all."""
