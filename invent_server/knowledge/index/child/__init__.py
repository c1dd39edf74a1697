"""The child process. It alone opens the search engine; it knows neither database nor web."""
