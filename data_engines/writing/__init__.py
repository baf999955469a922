"""The deterministic writer of the data engines: a grammar of wordings, read by the checker before it is used.

:mod:`.grammar` reads the wordings of ``prompts/writer``; :mod:`.segments` turns one unit in one strength into words with the claims that
:mod:`emollm.evidence` reads in them; :mod:`.moment` says what a face shows, what it speaks for, and a conclusion;
:mod:`.weighing_rows` weighs many rows at once; :mod:`.rows` writes them.
"""
