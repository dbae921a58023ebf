"""What goes to the hospital beside its sheet; nothing heavy is loaded to show it."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual

GUIDE = Bilingual(
    """源数据核查表填写说明

1. 用来源文件（SHA-256）和行号找到本机构当时发送的那一行；行摘要与回执中的一致。患者由本机构自行确认，平台不知道是谁。
2. 打开病历，只看病历填写“病历中的值”。表中没有平台的值，请不要先看发送的记录。
3. 再与本机构发送的该患者记录比较，填“是否一致”；填“否”时必须选一个原因。
4. 未找到病历，或病历未记载：值留空，“是否一致”填“否”，原因选相应的一项。
5. 没有核查的项，三列都留空；不要删行、加列或改动其他列。
6. 不要写姓名、病案号、日期或说明文字。天数自起始日（第 0 天）起计算。
7. 存为“CSV UTF-8（逗号分隔）”后交回；GBK 编码的 CSV 也可以。
""",
    """How to fill in the sheet of source verification

1. Find the line that you sent by the source file's SHA-256 and the line number; the digest is the one in your receipt.
   Who the patient is, you alone establish: the platform does not know.
2. Open the chart and fill in "in chart" from the chart alone. The platform's value is not on the sheet; do not look at
   what you sent first.
3. Then compare with the records that you sent of this patient and fill in "agrees"; with no, choose why not.
4. Chart not found, or not recorded in it: leave the value empty, answer no, and choose that reason.
5. Of an item that was not looked up leave all three cells empty. Delete no line, add no column, change nothing else.
6. Write no names, chart numbers, dates or remarks. Days count from the index date (day 0).
7. Save as "CSV UTF-8 (comma delimited)" and return it; CSV in GBK is read as well.
""",
)
