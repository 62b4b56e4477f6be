#include "seal/lane.h"

#include <utility>

#include "io/workers.h"

namespace rdpipe {

struct Lane::Job {
  explicit Job(Slot filled) : slot(std::move(filled)), loan(slot.loan()) {}
  Slot slot;
  std::shared_ptr<const void> loan;  // goes home on this thread, whatever the work does with the slot
  Operation operation;               // behind the slot: its destructor waits for the worker that uses it
};

Lane::Lane(Loop& loop, Work work) : loop_(loop), work_(std::move(work)) {}
Lane::~Lane() = default;

void Lane::push(Slot slot) {
  Job& job = *jobs_.emplace_back(std::make_unique<Job>(std::move(slot)));
  loop_.run(job.operation, [&job, &work = work_, number = next_number_++]() -> std::int64_t {
    if (is_unwanted()) return 0;  // and to ask says that it gets on
    work(job.slot, number);
    return 0;
  });
}

std::optional<Slot> Lane::pop() {
  if (jobs_.empty() || !jobs_.front()->operation.done()) return {};
  const auto job = std::move(jobs_.front());
  jobs_.pop_front();
  job->operation.take();
  return std::move(job->slot);
}

}  // namespace rdpipe
