"""Speed of Home LLM beside llama.cpp's own llama-server, measured in the same run."""
