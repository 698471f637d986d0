"""Pages, the API and /metrics over aiohttp. Reads what it is given; judges and keeps nothing."""
