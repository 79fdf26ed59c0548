//===- SequenceCalls.cpp - sequences come, fork and go --------------------===//
#include "runtime/Error.h"
#include "runtime/Session.h"
#include "runtime/cache/Step.h"
#include "runtime/entry.h"

using namespace transom;

namespace {

transom_status failUnknown(int64_t sequence) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "sequence %lld: expected one that this session has",
              (long long)sequence);
}

transom_status failNull(const char *name) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "'%s' expects a place for the result, got null", name);
}

} // namespace

transom_status transom::addSequence(transom_session &session,
                                    int64_t &sequence) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  sequence = session.sequences.add();
  return sequence < 0 ? fail(TRANSOM_EXHAUSTED, "no memory") : TRANSOM_OK;
}

transom_status transom::forkSequence(transom_session &session, int64_t sequence,
                                     int64_t length, int64_t &fork) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  const Sequence *from = session.sequences.find(sequence);
  if (!from)
    return failUnknown(sequence);
  if (length == -1)
    length = from->tokens.length;
  if (length < 0 || length > from->tokens.length)
    return fail(TRANSOM_OUT_OF_RANGE,
                "sequence %lld: expected a length from 0 to %lld, its own, or "
                "-1, got %lld",
                (long long)sequence, (long long)from->tokens.length,
                (long long)length);
  fork = session.sequences.fork(sequence, length);
  return fork < 0 ? fail(TRANSOM_EXHAUSTED, "no memory") : TRANSOM_OK;
}

transom_status transom::truncateSequence(transom_session &session,
                                         int64_t sequence, int64_t length) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  Sequence *found = session.sequences.find(sequence);
  if (!found)
    return failUnknown(sequence);
  if (length < 0 || length > found->tokens.length)
    return fail(TRANSOM_OUT_OF_RANGE,
                "sequence %lld: expected a length from 0 to %lld, its own, got "
                "%lld",
                (long long)sequence, (long long)found->tokens.length,
                (long long)length);
  session.sequences.truncate(*found, length);
  return TRANSOM_OK;
}

transom_status transom::freeSequence(transom_session &session,
                                     int64_t sequence) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  Sequence *found = session.sequences.find(sequence);
  if (!found)
    return failUnknown(sequence);
  session.sequences.free(*found);
  return TRANSOM_OK;
}

int64_t transom::sequenceLength(const transom_session &session,
                                int64_t sequence) {
  const Sequence *found = session.sequences.find(sequence);
  return found ? found->tokens.length : -1;
}

transom_status transom_sequence_add(transom_session *session,
                                    int64_t *sequence) {
  return withSession("sequence_add", session, [&](transom_session &session) {
    return sequence ? addSequence(session, *sequence) : failNull("sequence");
  });
}

transom_status transom_sequence_fork(transom_session *session, int64_t sequence,
                                     int64_t length, int64_t *fork) {
  return withSession("sequence_fork", session, [&](transom_session &session) {
    return fork ? forkSequence(session, sequence, length, *fork)
                : failNull("fork");
  });
}

transom_status transom_sequence_truncate(transom_session *session,
                                         int64_t sequence, int64_t length) {
  return withSession("sequence_truncate", session,
                     [&](transom_session &session) {
                       return truncateSequence(session, sequence, length);
                     });
}

transom_status transom_sequence_free(transom_session *session,
                                     int64_t sequence) {
  return withSession("sequence_free", session, [&](transom_session &session) {
    return freeSequence(session, sequence);
  });
}

int64_t transom_sequence_length(const transom_session *session,
                                int64_t sequence) {
  return session ? sequenceLength(*session, sequence) : -1;
}
