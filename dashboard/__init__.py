"""What the pages share: a run in, a page out. It never trains and writes nothing but tags and notes.

From the ground up, each imports only from those above it:

reading     the only rooms that open a run's files
drawing     values in, picture out
sentences   numbers in, words out; what pages and report share
address     what the page's address asks for, and how it opens the same view again
threshold   one detector's answers at any threshold
selection   the selected clip and the chosen detector
components  what stands on several pages: notices, the choice of a run
robustness  music or file format? changed sound? generators never heard?
overview    what may be said, in two minutes
clip        one clip, wherever it is shown
map         the embeddings
audit       going through what is wrong
models      figures at any threshold
attention   where fusion and transformer looked
detect      the user's own sound
report      all of it as one file
app         the list of pages, the one handler of errors
"""
