/// \file rules.hpp
/// The rules of the delivery contract that the simulator can leave out, one at a time, to prove
/// that it would notice (a test that cannot fail proves nothing). Production never changes the
/// defaults. Source: docs/delivery.md, by number.
#pragma once

namespace baozi {

struct Rules {
  bool d1_sessions = true;       ///< frames of an ended session are dropped
  bool d4_sequence = true;       ///< the broker takes exactly last + 1
  bool d5_whole_batches = true;  ///< a rejected batch leaves no trace
  bool d9_confirm_after_commit = true;
  bool d11_done_answered = true;          ///< a worker keeps DONE until it is answered
  bool d12_sequence_of_cancelled = true;  ///< a cancelled pair still writes its producer's sequence
  bool d13_numbers_never_repeat = true;
  bool d14_hold_after_restart = true;
  bool d15_positions = true;  ///< orphans are told from what was removed
  bool d16_count_when_made = true;
  bool d19_purge_in_force =
      true;  ///< a purge is durable when it is answered, and nothing of it is delivered
  bool d24_generation = true;           ///< a deliberate retry raises its task's generation
  bool d25_hard_limits = true;          ///< follow-ups do not fill a queue beyond its hard limit
  bool d26_mark_in_transaction = true;  ///< an id that counts until T is stored with its task
  bool d26_clock_goes_forward =
      true;  ///< what was forgotten is too late for good, whatever the clock says
  bool d27_key_until_end =
      true;  ///< a unique key is free in the transaction that ends its task, not before
  bool d27_head_blocks =
      true;  ///< what waits for a retry holds up those behind it under its ordering key
  bool d27_holder_durable = true;   ///< a duplicate is told of a holder that is durable
  bool d27_outbox_durable = true;   ///< a follow-up is sent to its home once it is durable here
  bool d27_outbox_id_stays = true;  ///< as the same producer, over restarts
  bool d27_limits_at_home = true;   ///< a task with a limit runs at the home of that limit alone
  bool d18_winner_decides = true;   ///< DONE carries the collector's winner
  bool d21_home_once = true;        ///< a task is delivered only once its home is written down
};

}  // namespace baozi
