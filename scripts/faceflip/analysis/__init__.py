"""Every number that is reported, computed from the attempts, the predictions and the transfers.

A product is one module with a pure function from data frames to a tidy data frame, and a function that lays this out
for people; `registry` lists them. Rates and errors are fractions in [0, 1] in every CSV file, percent on every page.
"""
