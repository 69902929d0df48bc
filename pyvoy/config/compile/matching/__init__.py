"""Matcher trees (the generic matching API): a Matcher message becomes one function from facts to an action."""
