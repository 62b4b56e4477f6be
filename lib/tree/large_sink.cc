#include "tree/large_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "files/direct_io.h"
#include "ground/error.h"
#include "tree/content.h"
#include "tree/direct.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

std::string path_of(const WantedFile& wanted) {
  return fmt::format("'{}'", printable(wanted.directory->directory->path_of(wanted.name)));
}

std::uint64_t leaves_in(std::uint64_t length) { return (length + kResumeUnit - 1) / kResumeUnit; }

}  // namespace

LargeSink::LargeSink(WantedFile wanted, const Writer& writer) : wanted_(std::move(wanted)), writer_(writer) {}

template <typename Work>
void LargeSink::guarded(Work work) {
  if (!sink_) return;
  try {
    work();
  } catch (const Error& error) {
    fail(error.cause(), error.cause() == errno_text(ENOSPC) || error.cause() == errno_text(EDQUOT));
  } catch (const EntryError& error) {
    fail(cause_of(error), is_fatal(error));
  }
}

void LargeSink::start(Loop& loop, Ring& ring) {
  sink_ = std::make_unique<FileSink>(
      path_of(wanted_), FileOptions{.direct = direct_of(writer_.options().direct)},
      Placement{[this] { return find_place(); }, [this](int fd) { complete(fd); }});
  guarded([&] { sink_->start(loop, ring, wanted_.size); });
}

// On a worker.
Place LargeSink::find_place() {
  const auto lease = writer_.open(wanted_.directory->directory);
  Place place;
  place.target.name = path_of(wanted_);
  place.target.directory = Descriptor(::fcntl(lease->get(), F_DUPFD_CLOEXEC, 0));
  if (!place.target.directory) throw EntryError{errno};
  place.target.leaf = wanted_.name;
  place.target.old = wanted_.old;
  if (wanted_.in_place) place.target.kind = TargetKind::kInPlace;
  // As when it replaces one: nobody's business until it is complete.
  if (!place.target.old) place.target.old.emplace();
  if (keeps_partial(writer_.options()) && !wanted_.in_place) place.kept = place_for_part(lease->get());
  return place;
}

// Nothing: it is written beside its target, and not kept.
std::optional<KeptPlace> LargeSink::place_for_part(int directory) {
  PartialPlace place = partial_place(directory, wanted_, writer_.options(), true);
  if (place.elsewhere && wanted_.part == nullptr) return {};
  if (!place.directory) {
    throw EntryError{place.elsewhere ? EXDEV : errno, "open the directory for partial files"};
  }
  writer_.wrote(place.directory.get());
  return KeptPlace{std::move(place.directory), std::move(place.leaf), std::exchange(wanted_.part, {})};
}

void LargeSink::write(Slot slot) {
  begin_run();
  if (coming_) coming_->add(slot.filled());
  position_ += slot.size();
  moved_ += slot.size();
  guarded([&] {
    if (writer_.options().sparse && is_zero(slot.filled())) {
      const std::size_t length = slot.size();
      slot.resize(0);
      return sink_->write_hole(std::move(slot), length);
    }
    sink_->write(std::move(slot));
  });
}

void LargeSink::write_hole(Slot slot, std::uint64_t length) {
  begin_run();
  if (coming_) coming_->add_zeros(length);
  position_ += length;
  moved_ += length;
  guarded([&] { sink_->write_hole(std::move(slot), length); });
}

bool LargeSink::keep(std::uint64_t length) {
  if (position_ % kResumeUnit != 0 || leaves_in(position_ + length) > wanted_.leaves.size()) return false;
  end_run();
  if (writer_.options().verify) runs_.push_back({position_, length, {}});
  position_ += length;
  reused_ += length;
  guarded([&] { sink_->skip(length); });
  return true;
}

void LargeSink::begin_run() {
  if (writer_.options().verify && !coming_) coming_.emplace();
}

void LargeSink::end_run() {
  if (!coming_) return;
  runs_.push_back({position_ - coming_->length(), coming_->length(), coming_->root()});
  coming_.reset();
}

bool LargeSink::end(const EndFileRecord& record) {
  ended_ = true;
  end_run();
  if (record.status != FileStatus::kWhole) {
    sink_.reset();  // the sender has said why
    return true;
  }
  if (record.size != position_) return false;
  wanted_.attributes.seconds = record.seconds;
  wanted_.attributes.nanoseconds = record.nanoseconds;
  guarded([&] { sink_->finish(); });
  return true;
}

void LargeSink::poll() {
  guarded([&] { sink_->poll(); });
}

// On a worker: its attributes, as far as they can be had, and a way for it.
void LargeSink::complete(int fd) {
  writer_.wrote(fd);
  if (writer_.options().verify) verify(fd);
  const auto lease = writer_.open(wanted_.directory->directory);
  Attributes attributes = wanted_.attributes;
  if (!attributes.exact_mode) {  // it was made with mode 0600
    attributes.mode &= most_by_default_acl(lease->get()).value_or(~writer_.umask());
  }
  attributes.exact_mode = true;
  lacking_ = writer_.set_attributes(fd, attributes);
  if (wanted_.in_place) return;
  writer_.make_way(wanted_.directory->directory, lease->get(), wanted_.name);
}

// Read back past the page cache, also what was kept of an earlier run.
void LargeSink::verify(int fd) const {
  if (::fsync(fd) == -1) throw EntryError{errno, "write it"};
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  const Descriptor readable = reopen(fd, O_RDONLY);
  if (!readable) throw EntryError{errno, "read it back"};
  const bool whole = std::ranges::all_of(runs_, [&](const Run& run) { return holds(readable.get(), run); });
  if (!whole) throw EntryError{EIO, "verify it: what was read back differs"};
}

bool LargeSink::holds(int fd, const Run& run) const {
  if (run.digest) {
    const auto digest = content_digest(fd, run.offset, run.length);
    if (!digest) throw EntryError{errno, "read it back"};
    return digest == run.digest;
  }
  const auto leaves = leaf_digests(fd, run.offset, run.length);
  if (!leaves) throw EntryError{errno, "read it back"};
  const auto known = std::span(wanted_.leaves).subspan(static_cast<std::size_t>(run.offset / kResumeUnit));
  return leaves->size() == leaves_in(run.length) && std::ranges::equal(*leaves, known.first(leaves->size()));
}

void LargeSink::fail(const std::string& cause, bool fatal) {
  sink_.reset();
  const std::string path = path_of(wanted_);
  failure_ = path + ": " + cause;
  if (fatal) throw Error(Status::kFileIo, "store " + path, cause);
}

}  // namespace rdpipe
