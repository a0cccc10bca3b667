from .errors import CorruptRecord as CorruptRecord
from .errors import RecorderError as RecorderError
from .errors import RecordMismatch as RecordMismatch
from .errors import RecordNotFound as RecordNotFound
from .errors import Unrecordable as Unrecordable
from .ids import seed_ids as seed_ids
from .loading import load_record as load_record
from .matching import LoadPlan as LoadPlan
from .matching import plan_load as plan_load
from .places import into_record as into_record
from .precision import FullPrecisionSettings as FullPrecisionSettings
from .precision import Settings as Settings
from .record import Param as Param
from .record import Record as Record
from .recorders import DefaultFileRecorder as DefaultFileRecorder
from .recorders import NamedMpkFileRecorder as NamedMpkFileRecorder
from .recorders import PrettyJsonFileRecorder as PrettyJsonFileRecorder
from .recorders import load_file as load_file
from .recorders import save_file as save_file

__version__: str
