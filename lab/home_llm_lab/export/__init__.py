"""From trained weights to files that llama.cpp loads: adapters, merged models, quants, cards, and the release gate."""
