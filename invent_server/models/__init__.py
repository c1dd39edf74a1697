"""The language model: Ollama's HTTP behaviour behind one adapter, and every call to it through one scheduler."""
