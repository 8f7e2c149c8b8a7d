"""Storage: the contract, and one folder a backend. Receives bytes, index rows and Conditions; knows no HTTP."""
