"""The web chat: a clip and a question in, an answer out whose sentences show what they rest on."""
