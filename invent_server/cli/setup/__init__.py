"""`invent setup`: the first hour of a real company, one question after the other, over the API."""
