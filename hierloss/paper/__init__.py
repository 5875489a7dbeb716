"""The experiments of Qi & Chelmis: their data, training, tables and figures."""
