"""Why a whole file is refused at the door: nothing of it is stored."""

from __future__ import annotations

from rwd_platform.core.errors import Problem

_EXPORT_AGAIN_ZH, _EXPORT_AGAIN_EN = "请重新导出并上传该文件。", "Export the file again and send it again."

EMPTY = Problem(
    code="intake.empty",
    zh="文件 {file} 是空的。",
    en="The file {file} is empty.",
    next_zh=_EXPORT_AGAIN_ZH,
    next_en=_EXPORT_AGAIN_EN,
)
NOT_FOUND = Problem(
    code="intake.not_found",
    zh="无法读取文件 {file}。",
    en="The file {file} cannot be read.",
    next_zh="请检查文件名与读取权限。",
    next_en="Check its name and that you may read it.",
)
TRUNCATED = Problem(
    code="intake.truncated",
    zh="压缩文件 {file} 不完整，在中途中断。",
    en="The compressed file {file} breaks off before its end.",
    next_zh="传输可能中断，请重新上传完整的文件。",
    next_en="A transfer was probably cut: send the whole file again.",
)
BROKEN = Problem(
    code="intake.broken",
    zh="压缩文件 {file} 已损坏（内容与其校验值不符）。",
    en="The compressed file {file} is damaged: its content does not match its checksum.",
    next_zh="请重新压缩并上传该文件。",
    next_en="Compress the file again and send it again.",
)
BOMB = Problem(
    code="intake.too_large_inflated",
    zh="压缩文件 {file} 解压后过大（上限 {limit} 字节，或压缩比超过 {ratio}）。",
    en="The compressed file {file} inflates to too much (limit {limit} bytes, or a ratio above {ratio}).",
    next_zh="请分成较小的文件，或不压缩上传。",
    next_en="Split it into smaller files, or send it uncompressed.",
    http=413,
)
TOO_MANY_MEMBERS = Problem(
    code="intake.too_many_members",
    zh="压缩包 {file} 中的文件超过 {limit} 个。",
    en="The archive {file} holds more than {limit} files.",
    next_zh="请分成多个压缩包。",
    next_en="Split it into several archives.",
    http=413,
)
UNSAFE_NAME = Problem(
    code="intake.unsafe_name",
    zh="压缩包 {file} 中第 {position} 个文件的名称是绝对路径、含有“..”或不可见字符。",
    en="In the archive {file} the name of file {position} is absolute, has `..`, or is not printable.",
    next_zh="请用普通文件名重新打包。",
    next_en="Pack it again with plain file names.",
)
SAME_NAME = Problem(
    code="intake.same_name",
    zh="压缩包 {file} 中第 {position} 个文件与另一个文件同名。",
    en="In the archive {file} file {position} has the name of another one.",
    next_zh="请重新打包，每个文件使用不同名称。",
    next_en="Pack it again with a different name for each file.",
)
ENCRYPTED = Problem(
    code="intake.encrypted",
    zh="压缩包 {file} 有密码。",
    en="The archive {file} is protected by a password.",
    next_zh="请去掉密码后上传；传输与存储由平台加密。",
    next_en="Send it without a password: the platform encrypts what it receives and stores.",
)
NESTED = Problem(
    code="intake.nested",
    zh="压缩文件 {file} 中还有压缩文件。",
    en="The compressed file {file} holds another compressed file.",
    next_zh="请只压缩一层。",
    next_en="Compress once only.",
)
DOCUMENT_TOO_LARGE = Problem(
    code="intake.document_too_large",
    zh="文件 {file} 是单个 JSON 文档，超过 {limit} 字节。",
    en="The file {file} is one JSON document of more than {limit} bytes.",
    next_zh="请改用 NDJSON，每行一个资源。",
    next_en="Send NDJSON instead, one resource on each line.",
    http=413,
)
UNKNOWN_FORMAT = Problem(
    code="intake.unknown_format",
    zh="无法识别文件 {file} 的格式。",
    en="The format of the file {file} is not known.",
    next_zh="请上传 FHIR 的 JSON 或 NDJSON、附映射文件的 CSV，或它们的 gz、zip 压缩文件。",
    next_en="Send JSON or NDJSON of FHIR, CSV with a mapping file, or gz or zip of these.",
    http=415,
)
SPREADSHEET = Problem(
    code="intake.spreadsheet",
    zh="文件 {file} 是 Excel 或 Office 文件。",
    en="The file {file} is a file of Excel or Office.",
    next_zh="请另存为 CSV，并附映射文件上传。",
    next_en="Save it as CSV and send it with a mapping file.",
    http=415,
)
MAPPING_MISSING = Problem(
    code="intake.mapping_missing",
    zh="表格文件 {file} 没有对应的映射文件。",
    en="There is no mapping for the table {file}.",
    next_zh="请随表格一起提供映射文件（YAML），说明每一列的含义。",
    next_en="Send a mapping file (YAML) with it that says what each column means.",
)
