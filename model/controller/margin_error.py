"""The margin rule: which samples update, and towards what."""

from model.jit import kernel


@kernel
def margin_error(logits, label, margin, train, always):
    """(update, target, rival, prediction) of one sample.

    The rival is the best class other than the target, the prediction the best of all; ties go to the lower
    index.  update = 1 when training and logits[target] - logits[rival] < margin: then the error is +1 on the
    target and -1 on the rival, else there is none.  always: every sample of a training run updates, whatever the margin.
    """
    rival, prediction = -1, 0
    for c in range(logits.shape[0]):
        if logits[c] > logits[prediction]:
            prediction = c
        if c != label and (rival < 0 or logits[c] > logits[rival]):
            rival = c
    update = 1 if train and (always or logits[label] - logits[rival] < margin) else 0
    return update, label, rival, prediction
